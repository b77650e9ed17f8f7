//! Partial and complete matches of one partition, in the order in which Flink goes through them.
//!
//! Flink keeps them in a `java.util.PriorityQueue` by the first row. Of several that begin with the same row the first
//! to be complete wins, and which one that is hangs on the queue's array: so this is that binary heap, with the same
//! sifting (OpenJDK's; Knuth, The Art of Computer Programming, volume 3, section 5.2.3).

/// Slots that stay allocated when none is in use.
pub const KEPT_SLOTS: usize = 64;

/// The run that has not begun comes after all others.
pub const NOT_BEGUN: u64 = u64::MAX;

/// A run of rows that may become a match, or has become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Number of its first row in the partition, or [`NOT_BEGUN`].
    pub start: u64,
    /// The variable that takes the next row, or one of those after it; for a match, how many variables there are.
    pub element: u32,
    /// How many rows it has. Only a match needs it: the rows of a run end with the one before the current.
    pub rows: u32,
    /// Where in [`Ends`] it is written how its rows are shared out.
    pub ends: u32,
}

/// A binary heap by `start`, smallest first.
#[derive(Clone, Debug, Default)]
pub struct Candidates(Vec<Candidate>);

impl Candidates {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the array.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter()
    }

    pub fn get(&self, at: usize) -> Option<Candidate> {
        self.0.get(at).copied()
    }

    pub fn first(&self) -> Option<Candidate> {
        self.0.first().copied()
    }

    pub fn last(&self) -> Option<Candidate> {
        self.0.last().copied()
    }

    /// Puts a run that has just begun before the one that has not, where that stands last: as if all were put in again
    /// one by one, which changes nothing in the order of those that are there.
    pub fn begin(&mut self, candidate: Candidate) {
        if let Some(not_begun) = self.0.pop() {
            self.push(candidate);
            self.push(not_begun);
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Gives back room that is far more than is needed.
    pub fn fit(&mut self) {
        if self.0.capacity() > KEPT_SLOTS && self.0.capacity() / 4 > self.0.len() {
            self.0.shrink_to(2 * self.0.len());
        }
    }

    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Candidate>()
    }

    pub fn push(&mut self, candidate: Candidate) {
        let mut at = self.0.len();
        self.0.push(candidate);
        while at > 0 {
            let parent = (at - 1) / 2;
            if candidate.start >= self.0[parent].start {
                break;
            }
            self.0[at] = self.0[parent];
            at = parent;
        }
        self.0[at] = candidate;
    }

    pub fn pop(&mut self) -> Option<Candidate> {
        let first = self.first()?;
        if let Some(last) = self.0.pop() {
            if !self.0.is_empty() {
                self.sift_down(0, last);
            }
        }
        Some(first)
    }

    /// Takes out those of which `remove` says so.
    pub fn remove(&mut self, mut remove: impl FnMut(&Candidate) -> bool) {
        let before = self.0.len();
        self.0.retain(|candidate| !remove(candidate));
        if self.0.len() < before {
            for at in (0..self.0.len() / 2).rev() {
                self.sift_down(at, self.0[at]);
            }
        }
    }

    /// Takes out those of which `remove` says so, as if the others were put in again one by one.
    pub fn rebuild(&mut self, mut remove: impl FnMut(&Candidate) -> bool) {
        if self.0.iter().any(&mut remove) {
            let old = std::mem::take(&mut self.0);
            old.into_iter().filter(|candidate| !remove(candidate)).for_each(|candidate| self.push(candidate));
        }
    }

    fn sift_down(&mut self, mut at: usize, candidate: Candidate) {
        let len = self.0.len();
        while at < len / 2 {
            let mut child = 2 * at + 1;
            if child + 1 < len && self.0[child].start > self.0[child + 1].start {
                child += 1;
            }
            if candidate.start <= self.0[child].start {
                break;
            }
            self.0[at] = self.0[child];
            at = child;
        }
        self.0[at] = candidate;
    }
}

/// For each candidate: after how many rows each variable has ended, variables in order. As many cells for each.
#[derive(Debug, Default)]
pub struct Ends {
    variables: usize,
    cells: Vec<u32>,
    free: Vec<u32>,
}

impl Ends {
    /// How many variables there are; to be called before the first slot is taken.
    pub fn set_variables(&mut self, variables: usize) {
        self.variables = variables;
    }

    pub fn variables(&self) -> usize {
        self.variables
    }

    /// A slot with zeros or with what was there before.
    pub fn take(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slot = self.cells.len() / self.variables.max(1);
        self.cells.resize(self.cells.len() + self.variables, 0);
        slot as u32
    }

    pub fn copy(&mut self, from: u32) -> u32 {
        let slot = self.take();
        let from = from as usize * self.variables;
        self.cells.copy_within(from..from + self.variables, slot as usize * self.variables);
        slot
    }

    pub fn get(&self, slot: u32) -> &[u32] {
        let from = slot as usize * self.variables;
        self.cells.get(from..from + self.variables).unwrap_or_default()
    }

    pub fn get_mut(&mut self, slot: u32) -> &mut [u32] {
        let from = slot as usize * self.variables;
        self.cells.get_mut(from..from + self.variables).unwrap_or_default()
    }

    pub fn release(&mut self, slot: u32) {
        self.free.push(slot);
        if self.free.len() * self.variables == self.cells.len() && self.free.len() > KEPT_SLOTS {
            (self.cells, self.free) = (Vec::new(), Vec::new());
        }
    }

    pub fn bytes(&self) -> usize {
        (self.cells.capacity() + self.free.capacity()) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(start: u64, rows: u32) -> Candidate {
        Candidate { start, element: 0, rows, ends: 0 }
    }

    fn heap(starts: &[u64]) -> Candidates {
        let mut heap = Candidates::default();
        starts.iter().zip(0..).for_each(|(start, at)| heap.push(candidate(*start, at)));
        heap
    }

    fn array(heap: &Candidates) -> Vec<(u64, u32)> {
        heap.iter().map(|candidate| (candidate.start, candidate.rows)).collect()
    }

    /// The expected arrays were printed by `java.util.PriorityQueue` of OpenJDK 17 after the same calls.
    #[test]
    fn the_array_is_that_of_java() {
        let mut queue = heap(&[5, 3, 3, 8, 1, 3, 1, 9, 2, 3, 5]);
        let java = [(1, 4), (2, 8), (1, 6), (3, 1), (3, 9), (3, 5), (3, 2), (9, 7), (8, 3), (5, 0), (5, 10)];
        assert_eq!(array(&queue), java);
        queue.pop();
        let java = [(1, 6), (2, 8), (3, 5), (3, 1), (3, 9), (5, 10), (3, 2), (9, 7), (8, 3), (5, 0)];
        assert_eq!(array(&queue), java);
        queue.remove(|candidate| candidate.start == 1 || candidate.start == 3 && candidate.rows != 2);
        assert_eq!(array(&queue), [(2, 8), (5, 10), (3, 2), (9, 7), (8, 3), (5, 0)]);
        queue.pop();
        queue.pop();
        assert_eq!(array(&queue), [(5, 10), (8, 3), (5, 0), (9, 7)]);
    }

    #[test]
    fn ends_are_shared_out_and_come_back() {
        let mut ends = Ends::default();
        ends.set_variables(3);
        let first = ends.take();
        ends.get_mut(first).copy_from_slice(&[1, 2, 3]);
        let second = ends.copy(first);
        ends.get_mut(second)[1] = 9;
        assert_eq!((ends.get(first), ends.get(second)), (&[1, 2, 3][..], &[1, 9, 3][..]));
        ends.release(first);
        assert_eq!(ends.take(), first);
    }
}
