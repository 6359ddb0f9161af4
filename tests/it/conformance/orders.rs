//! Every order of the steps of two who work.

use std::fmt;

/// One order after the other, each told by the choices that made it.
pub(super) struct Orders {
    turns_at_most: usize,
    /// The choices that begin this order.
    prefix: Vec<usize>,
    /// Those made so far, each of so many, with who was chosen.
    made: Vec<(usize, usize, usize)>,
    turns: usize,
}

impl Orders {
    /// All orders in which one who could go on stands still for the other at most so often.
    pub(super) fn of(turns_at_most: usize) -> Orders {
        Orders { turns_at_most, prefix: Vec::new(), made: Vec::new(), turns: 0 }
    }

    /// Who takes the next step, of those who can; nobody once both have ended.
    pub(super) fn next_of(&mut self, able: [bool; 2]) -> Option<usize> {
        let last = self.made.last().map_or(0, |(_, _, who)| *who);
        let mut options: Vec<usize> = [last, 1 - last].into_iter().filter(|who| able[*who]).collect();
        let is_turn = able[last] && !self.made.is_empty();
        if is_turn && self.turns >= self.turns_at_most {
            options.truncate(1);
        }
        if options.is_empty() {
            return None;
        }
        // a call that was repeated over the network is a step more: then this is another order, and as good
        let choice = self.prefix.get(self.made.len()).copied().unwrap_or(0).min(options.len() - 1);
        self.turns += usize::from(is_turn && choice > 0);
        self.made.push((choice, options.len(), options[choice]));
        Some(options[choice])
    }

    /// Goes on to the next order; `false` after the last one.
    pub(super) fn another(&mut self) -> bool {
        let Some(last) = self.made.iter().rposition(|(choice, of, _)| choice + 1 < *of) else { return false };
        self.prefix = self.made[..last].iter().map(|(choice, ..)| *choice).collect();
        self.prefix.push(self.made[last].0 + 1);
        (self.made, self.turns) = (Vec::new(), 0);
        true
    }
}

impl fmt::Display for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order: String = self.made.iter().map(|(_, _, who)| if *who == 0 { 'g' } else { 'o' }).collect();
        write!(f, "order {order}")
    }
}

#[test]
fn orders_are_all_there_are_and_each_once() {
    let all = |steps: [usize; 2], turns| {
        let mut orders = Orders::of(turns);
        let mut found = Vec::new();
        loop {
            let mut left = steps;
            while let Some(who) = orders.next_of([left[0] > 0, left[1] > 0]) {
                left[who] -= 1;
            }
            found.push(orders.to_string());
            if !orders.another() {
                found.sort();
                found.dedup();
                return found.len();
            }
        }
    };
    assert_eq!((all([4, 2], usize::MAX), all([10, 1], usize::MAX), all([3, 3], usize::MAX)), (15, 11, 20));
    assert_eq!(all([3, 3], 0), 2);
}
