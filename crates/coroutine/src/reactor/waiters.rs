use crate::scheduler::Id;

/// Coroutines that wait for the same thing: most often one.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    first: Option<Id>,
    others: Vec<Id>,
}

impl Waiters {
    pub(super) fn add(&mut self, id: Id) {
        match self.first {
            None => self.first = Some(id),
            Some(first) if first == id || self.others.contains(&id) => {}
            Some(_) => self.others.push(id),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn remove(&mut self, id: Id) {
        if self.first == Some(id) {
            self.first = self.others.pop();
        } else {
            self.others.retain(|&other| other != id);
        }
    }

    /// Moves all of them into `woken`.
    pub(super) fn wake(&mut self, woken: &mut Vec<Id>) {
        woken.extend(self.first.take());
        woken.append(&mut self.others);
    }
}
