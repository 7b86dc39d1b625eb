//! What coroutines and threads share. Each scenario runs among threads, among the coroutines of
//! one worker on either back end, and among threads and the coroutines of two workers together.

mod channel;
mod cut;
mod mutex;
mod semaphore;
mod signals;
mod team;
