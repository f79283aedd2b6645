//! Changes to bytes, of the kinds that readers of lengths and types trip over.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One thing done to some bytes.
#[derive(Clone, Debug)]
pub(super) enum Mutation {
    Flip {
        at: Index,
        bit: u8,
    },
    Set {
        at: Index,
        to: u8,
    },
    /// Puts such bytes there; what was there moves on.
    Insert {
        at: Index,
        bytes: Vec<u8>,
    },
    Remove {
        at: Index,
        count: usize,
    },
    Truncate {
        at: Index,
    },
    /// Copies a part over another one.
    Splice {
        from: Index,
        to: Index,
        count: usize,
    },
    /// Counts up or down: lengths, versions and types.
    Nudge {
        at: Index,
        by: i8,
    },
}

pub(super) fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let telling =
        select(&[0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x30, 0x31, 0x02, 0x03, 0x06, 0xa0, 0xa3][..]);
    prop_oneof![
        3 => (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        3 => (at(), telling).prop_map(|(at, to)| Mutation::Set { at, to }),
        3 => (at(), any::<i8>()).prop_map(|(at, by)| Mutation::Nudge { at, by }),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
        1 => (at(), 1..200_usize).prop_map(|(at, count)| Mutation::Remove { at, count }),
        1 => at().prop_map(|at| Mutation::Truncate { at }),
        1 => (at(), at(), 1..200_usize).prop_map(|(from, to, count)| Mutation::Splice { from, to, count }),
    ]
}

impl Mutation {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let size = bytes.len();
        match self {
            Self::Flip { at, bit } => bytes[at.index(size)] ^= 1 << bit,
            Self::Set { at, to } => bytes[at.index(size)] = *to,
            Self::Nudge { at, by } => {
                let at = at.index(size);
                bytes[at] = bytes[at].wrapping_add_signed(*by);
            }
            Self::Insert { at, bytes: new } => {
                let at = at.index(size);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove { at, count } => {
                let at = at.index(size);
                bytes.drain(at..size.min(at + count));
            }
            Self::Truncate { at } => bytes.truncate(at.index(size)),
            Self::Splice { from, to, count } => {
                let (from, to) = (from.index(size), to.index(size));
                let part = bytes[from..size.min(from + count)].to_vec();
                for (place, byte) in bytes[to..].iter_mut().zip(part) {
                    *place = byte;
                }
            }
        }
    }
}

/// Bytes of one of these, changed a little; rarely any bytes at all.
pub(super) fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let near = (select(seeds), prop::collection::vec(mutation(), 0..6)).prop_map(|(mut bytes, changes)| {
        for change in changes {
            change.apply(&mut bytes);
        }
        bytes
    });
    prop_oneof![12 => near, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}
