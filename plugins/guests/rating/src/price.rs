//! The arithmetic of a price, in whole numbers.
//!
//! The rule: of a leg that was answered, `start` seconds are free; what follows is counted in increments, the first of
//! `initial` seconds and the others of `increment`, each begun one in full; they cost `per_minute` by the second; the
//! connect fee comes on top, or is the least charge where it is deductible. The sum is rounded once, halves up, to the
//! plan's decimals. A leg that was not answered costs nothing.

/// Millionths in a unit.
const UNIT: i128 = 1_000_000;

/// A rate: money in millionths, times in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// At the answer.
    pub connect: i64,
    /// For sixty seconds.
    pub per_minute: i64,
    /// The first increment, at least one second.
    pub initial: u32,
    /// Every further one, at least one second.
    pub increment: u32,
    /// Seconds from the answer that are free.
    pub start: u32,
}

/// How a sum is made of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rounding {
    /// The connect fee is the least charge.
    pub deductible: bool,
    /// Decimals of a charge, 0 to 6.
    pub decimals: u32,
}

impl Rate {
    /// What a leg of so many milliseconds costs, in millionths; more than can be counted is the most that can.
    #[must_use]
    pub fn cost(&self, billed_ms: u64, rounding: Rounding) -> i64 {
        let connect = i128::from(self.connect);
        // In sixtieths of a millionth, so that nothing is lost before the one rounding.
        let usage = i128::from(self.counted_s(billed_ms)) * i128::from(self.per_minute);
        let sum = if rounding.deductible { usage.max(connect * 60) } else { usage + connect * 60 };
        let step = UNIT / 10_i128.pow(rounding.decimals.min(6)) * 60;
        let steps = (sum + step / 2) / step;
        i64::try_from(steps * step / 60).unwrap_or(i64::MAX)
    }

    /// The seconds that are charged.
    #[must_use]
    pub fn counted_s(&self, billed_ms: u64) -> u64 {
        let free = u64::from(self.start) * 1_000;
        if billed_ms <= free {
            return 0;
        }
        let (used, initial, increment) = (billed_ms - free, u64::from(self.initial), u64::from(self.increment));
        let more = used.saturating_sub(initial * 1_000).div_ceil(increment * 1_000);
        initial + more * increment
    }

    /// How many whole seconds so much money pays for, at most `most`: the largest whose cost it reaches. `None` where it
    /// does not even reach one.
    #[must_use]
    pub fn affords(&self, micros: i64, most: u32, rounding: Rounding) -> Option<u32> {
        let reaches = |s: u32| self.cost(u64::from(s) * 1_000, rounding) <= micros;
        if !reaches(1) {
            return None;
        }
        let (mut low, mut high) = (1, most.max(1));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if reaches(middle) { low = middle } else { high = middle - 1 }
        }
        Some(low)
    }
}

/// A decimal text of at most six places, as millionths.
#[must_use]
pub fn amount_of(text: &str) -> Option<i64> {
    let (whole, rest) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(rest) || rest.len() > 6 {
        return None;
    }
    let micros: i64 = format!("{rest:0<6}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Rounding = Rounding { deductible: false, decimals: 4 };

    fn rate(connect: i64, per_minute: i64, initial: u32, increment: u32, start: u32) -> Rate {
        Rate { connect, per_minute, initial, increment, start }
    }

    #[test]
    fn what_the_books_say() {
        // Per second at 1.20 a minute.
        let second = rate(0, 1_200_000, 1, 1, 0);
        assert_eq!(
            [0, 1, 1_000, 1_001, 60_000, 90_000].map(|ms| second.cost(ms, PLAIN)),
            [0, 20_000, 20_000, 40_000, 1_200_000, 1_800_000]
        );
        // 60/60 with a connect fee of 0.10; 30/6; the first twenty seconds free.
        let minute = rate(100_000, 600_000, 60, 60, 0);
        assert_eq!([1, 60_000, 60_001].map(|ms| minute.cost(ms, PLAIN)), [700_000, 700_000, 1_300_000]);
        let thirty = rate(0, 60_000, 30, 6, 0);
        assert_eq!([1, 30_000, 30_001, 36_000, 36_001].map(|ms| thirty.counted_s(ms)), [30, 30, 36, 36, 42]);
        let free = rate(0, 60_000, 1, 1, 20);
        assert_eq!([20_000, 20_001, 21_001].map(|ms| free.counted_s(ms)), [0, 1, 2]);
        // A deductible fee is a least charge.
        let least = Rounding { deductible: true, ..PLAIN };
        assert_eq!([1_000, 60_000].map(|ms| rate(100_000, 600_000, 1, 1, 0).cost(ms, least)), [100_000, 600_000]);
        // A third of a millionth a second: rounded once, at the end, halves up.
        let thirds = rate(0, 20, 1, 1, 0);
        let fine = Rounding { deductible: false, decimals: 6 };
        assert_eq!([1, 2, 3].map(|s| thirds.cost(s * 1_000, fine)), [0, 1, 1]);
        assert_eq!(rate(50, 0, 1, 1, 0).cost(1, PLAIN), 100);
        assert_eq!(rate(49, 0, 1, 1, 0).cost(1, PLAIN), 0);
        assert_eq!(rate(i64::MAX, i64::MAX, 1, 1, 0).cost(u64::MAX, PLAIN), i64::MAX);
    }

    /// Small numbers that are the same each time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }
    }

    #[test]
    fn of_any_rate() {
        let mut dice = Dice(7);
        for _ in 0..20_000 {
            let increment = 1 + dice.below(90) as u32;
            let rate = Rate {
                connect: dice.below(2_000_000) as i64,
                per_minute: dice.below(9_000_000) as i64,
                initial: 1 + dice.below(90) as u32,
                increment,
                start: dice.below(40) as u32,
            };
            let rounding = Rounding { deductible: dice.below(2) == 0, decimals: dice.below(7) as u32 };
            let ms = dice.below(8_000_000);
            let cost = rate.cost(ms, rounding);
            // Never less for longer, and never below zero.
            assert!((0..=rate.cost(ms + 1 + dice.below(5_000), rounding)).contains(&cost), "{rate:?} {ms}");
            // What is counted is at least what was used, and less than one increment more.
            let used = ms.saturating_sub(u64::from(rate.start) * 1_000);
            let counted = rate.counted_s(ms) * 1_000;
            assert!(
                counted >= used
                    && (used == 0
                        || counted < used.max(u64::from(rate.initial) * 1_000) + u64::from(increment) * 1_000)
            );
            // Within half a step of the exact sum.
            let usage = i128::from(rate.counted_s(ms)) * i128::from(rate.per_minute);
            let fee = i128::from(rate.connect) * 60;
            let exact = if rounding.deductible { usage.max(fee) } else { usage + fee };
            let step = 60 * i128::from(10_i64.pow(6 - rounding.decimals));
            assert!((i128::from(cost) * 60 - exact).abs() * 2 <= step, "{rate:?} {ms} {rounding:?}");
            assert_eq!(cost % 10_i64.pow(6 - rounding.decimals), 0);
            // Money pays for as long as it reaches, and not a second longer.
            let purse = dice.below(20_000_000) as i64;
            let most = 1 + dice.below(7_200) as u32;
            match rate.affords(purse, most, rounding) {
                Some(s) => {
                    assert!(s <= most && rate.cost(u64::from(s) * 1_000, rounding) <= purse);
                    assert!(s == most || rate.cost(u64::from(s + 1) * 1_000, rounding) > purse);
                }
                None => assert!(rate.cost(1_000, rounding) > purse),
            }
        }
    }

    #[test]
    fn amounts_are_plain() {
        assert_eq!(
            ["1.5", "0", "0.000001", " 7 "].map(amount_of),
            [Some(1_500_000), Some(0), Some(1), Some(7_000_000)]
        );
        assert_eq!(["", "-1", "1e3", "0.1234567", ".5", "1,5"].map(amount_of), [None; 6]);
    }
}
