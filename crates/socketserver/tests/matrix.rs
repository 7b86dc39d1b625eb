//! Every transport with every mix-in, by one definition of each test.

#![allow(clippy::unwrap_used, reason = "what fails in a test shall fail the test")]

#[path = "matrix/closing.rs"]
mod closing;
mod common;
#[path = "matrix/hooks.rs"]
mod hooks;
#[path = "matrix/serving.rs"]
mod serving;
#[path = "matrix/stopping.rs"]
mod stopping;
#[path = "matrix/timing.rs"]
mod timing;

common::matrix! {
    serving::serves_one_request,
    serving::serves_several_requests,
    serving::serves_clients_that_come_together,
    serving::runs_requests_where_the_mixin_says,
    serving::an_error_of_a_handler_leaves_the_server_serving,
    serving::a_panic_of_a_handler_leaves_the_server_serving,
    serving::a_refused_request_reaches_no_handler,
    serving::handle_request_serves_one,
    serving::handle_request_tells_of_a_refusal,
    serving::handle_request_noblock_does_not_wait,
    timing::a_timeout_calls_handle_timeout_once,
    timing::a_timeout_of_zero_looks_once,
    timing::a_timeout_does_not_bound_the_handling,
    timing::a_request_ends_the_wait,
    timing::serve_forever_ignores_the_timeout,
    timing::a_close_ends_the_wait_and_a_shutdown_does_not,
    hooks::hooks_are_called_in_order,
    hooks::hooks_are_called_in_order_after_an_error,
    hooks::hooks_are_called_in_order_after_a_panic,
    hooks::a_refused_request_is_shut_down_once,
    hooks::service_actions_is_called_on_each_pass,
    stopping::an_idle_server_is_shut_down_at_once,
    stopping::a_busy_server_is_shut_down,
    stopping::a_shutdown_before_the_loop_is_kept_for_it,
    stopping::a_server_serves_again_after_a_shutdown,
    stopping::who_comes_after_a_shutdown_is_served_by_the_next_loop,
    stopping::a_handler_shuts_its_server_down,
    closing::an_idle_server_is_closed,
    closing::a_server_that_is_dropped_is_closed,
    closing::a_busy_server_is_closed,
    closing::a_close_ends_the_loop,
    closing::a_closed_server_serves_no_more,
    closing::a_server_is_closed_twice,
    closing::a_dropped_guard_stops_the_server,
    closing::a_guard_is_stopped_before_its_loop_begins,
}
