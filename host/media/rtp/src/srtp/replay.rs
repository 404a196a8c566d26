//! Which packets of one source were had: the index of RFC 3711 section 3.3.1 and the window of section 3.3.2.

/// Packets so far behind the newest are refused.
const WINDOW: u64 = 128;

/// Packets further behind the newest are none of a late packet's: their source has begun anew.
const LATE: u64 = 1_000;

/// What is known of the packet numbers of one source.
///
/// # Invariants
/// Bit `n` of `seen` says that the packet `newest - n` was had. Bit 0 is set once anything was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Window {
    newest: u64,
    seen: u128,
}

impl Window {
    /// The 48-bit index that a sequence number most likely stands for: nearest to the newest one had.
    pub(crate) fn index_of(&self, sequence: u16) -> u64 {
        if self.seen == 0 {
            return u64::from(sequence);
        }
        let roc = self.newest >> 16;
        let ahead = sequence.wrapping_sub(self.newest as u16);
        let behind = (self.newest as u16) > sequence;
        match (ahead < 1 << 15, behind) {
            // Went round since.
            (true, true) => (roc + 1) << 16 | u64::from(sequence),
            // A late one from before the last time round; at the very beginning there was none.
            (false, false) if roc > 0 => (roc - 1) << 16 | u64::from(sequence),
            (true | false, _) => roc << 16 | u64::from(sequence),
        }
    }

    /// Whether a packet of this index may still be taken.
    pub(crate) fn is_fresh(&self, index: u64) -> bool {
        if self.seen == 0 || index > self.newest {
            return true;
        }
        let behind = self.newest - index;
        behind < WINDOW && self.seen >> behind & 1 == 0
    }

    /// Whether the source of a packet with this number has left its row: far more than a late one is.
    pub(crate) fn has_left(&self, sequence: u16) -> bool {
        self.seen != 0 && self.newest.saturating_sub(self.index_of(sequence)) > LATE
    }

    /// Notes a packet.
    pub(crate) fn note(&mut self, index: u64) {
        if self.seen == 0 || index > self.newest {
            let step = if self.seen == 0 { WINDOW } else { index - self.newest };
            self.seen = if step < WINDOW { self.seen << step } else { 0 } | 1;
            self.newest = index;
        } else if self.newest - index < WINDOW {
            self.seen |= 1 << (self.newest - index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_follows_the_sequence_number_round() {
        let mut window = Window::default();
        for (sequence, index) in [
            (65_530_u16, 65_530_u64),
            (65_535, 65_535),
            (0, 65_536),
            (65_534, 65_534),
            (3, 65_539),
            (40_000, 40_000),
            (32_000, 97_536),
            (64_000, 129_536),
            (10, 131_082),
        ] {
            assert_eq!(window.index_of(sequence), index, "{sequence}");
            window.note(index);
        }
    }

    #[test]
    fn each_index_is_fresh_once_and_only_in_the_window() {
        let mut window = Window::default();
        assert!(window.is_fresh(1_000));
        window.note(1_000);
        assert!(!window.is_fresh(1_000));
        assert!(window.is_fresh(873) && !window.is_fresh(872));
        window.note(873);
        window.note(1_001);
        assert!(!window.is_fresh(873) && !window.is_fresh(1_000) && window.is_fresh(999));
        window.note(5_000);
        assert!(!window.is_fresh(1_001) && window.is_fresh(4_999) && window.is_fresh(4_873));
        assert!(!window.is_fresh(4_872));
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_taken_twice(steps in proptest::collection::vec(0_u64..400, 1..200)) {
            let mut window = Window::default();
            let mut had = std::collections::BTreeSet::new();
            for index in steps {
                if window.is_fresh(index) {
                    assert!(had.insert(index), "{index} twice");
                    window.note(index);
                }
            }
        }
    }
}
