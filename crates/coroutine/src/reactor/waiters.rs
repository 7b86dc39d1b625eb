use crate::scheduler::Id;

/// Coroutines that wait for the same thing: most often one.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    first: Option<Id>,
    others: Option<Box<Others>>,
}

/// Apart, for there is hardly ever one of them.
#[derive(Debug, Default)]
struct Others(Vec<Id>);

impl Waiters {
    pub(super) fn add(&mut self, id: Id) {
        match self.first {
            None => self.first = Some(id),
            Some(first) if first == id => {}
            Some(_) => {
                let Others(others) = &mut **self.others.get_or_insert_default();
                if !others.contains(&id) {
                    others.push(id);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn remove(&mut self, id: Id) {
        if self.first == Some(id) {
            self.first = self.others.as_mut().and_then(|others| others.0.pop());
        } else if let Some(others) = &mut self.others {
            others.0.retain(|&other| other != id);
        }
    }

    /// Moves all of them into `woken`.
    pub(super) fn wake(&mut self, woken: &mut Vec<Id>) {
        woken.extend(self.first.take());
        if let Some(mut others) = self.others.take() {
            woken.append(&mut others.0);
        }
    }
}
