//! Chance that is the same on every machine: a generator with a seed, and Poisson numbers out of tables.

/// A generator of 64 random bits a turn: SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The same seed, the same numbers.
    pub(super) fn of(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Evenly from 0 to below 1, in steps of 2^-53.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How many of something happen in a while, where they happen independently of each other.
#[derive(Debug, Clone)]
pub(super) struct Poisson {
    /// The number that the table begins with.
    first: u64,
    /// The chance of at most `first + index`.
    upto: Vec<f64>,
    /// Where to begin looking, by the fraction that was thrown: as many places as `upto`.
    guide: Vec<usize>,
}

/// What is rarer than this beside the likeliest number is left out.
const LEFT_OUT: f64 = 1e-14;
/// Of larger means no table is made: nobody has as many requests in a tick, and the table would be hundreds of megabytes.
const MOST: f64 = 1e9;

impl Poisson {
    /// With a mean; below zero it is zero.
    pub(super) fn of(mean: f64) -> Poisson {
        let mean = if mean.is_finite() { mean.clamp(0.0, MOST) } else { 0.0 };
        let likeliest = mean.floor();
        // from the likeliest number to both sides, by what each is beside its neighbour: no logarithm, no overflow
        let (mut below, mut chance, mut number) = (Vec::new(), 1.0, likeliest);
        while number > 0.0 && chance > LEFT_OUT {
            chance *= number / mean;
            number -= 1.0;
            below.push(chance);
        }
        let first = number as u64;
        let mut chances: Vec<f64> = below.into_iter().rev().collect();
        chances.push(1.0);
        let (mut chance, mut number) = (1.0, likeliest);
        while chance > LEFT_OUT && mean > 0.0 {
            number += 1.0;
            chance *= mean / number;
            chances.push(chance);
        }
        let total: f64 = chances.iter().sum();
        let mut sum = 0.0;
        let upto: Vec<f64> = chances
            .iter()
            .map(|chance| {
                sum += chance / total;
                sum
            })
            .collect();
        let places = upto.len();
        let mut at = 0;
        let guide = (0..places)
            .map(|place| {
                while at + 1 < places && upto[at] < place as f64 / places as f64 {
                    at += 1;
                }
                at
            })
            .collect();
        Poisson { first, upto, guide }
    }

    /// Throws once.
    pub(super) fn throw(&self, dice: &mut Dice) -> u64 {
        let fraction = dice.fraction();
        let places = self.upto.len();
        let mut at = self.guide[((fraction * places as f64) as usize).min(places - 1)];
        while at + 1 < places && self.upto[at] < fraction {
            at += 1;
        }
        self.first + at as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_mean_and_as_much_variance() {
        for mean in [0.0, 0.01, 0.45, 3.0, 30.0, 3000.0, 500_000.0] {
            let (poisson, mut dice, turns) = (Poisson::of(mean), Dice::of(1), 40_000);
            let thrown: Vec<f64> = (0..turns).map(|_| poisson.throw(&mut dice) as f64).collect();
            let found = thrown.iter().sum::<f64>() / f64::from(turns);
            let variance = thrown.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / f64::from(turns);
            assert!((found - mean).abs() <= 5.0 * (mean / f64::from(turns)).sqrt(), "{mean}: {found}");
            // the variance of a small mean is a matter of few numbers
            assert!((variance - mean).abs() <= 0.1 * mean + 0.001, "{mean}: variance {variance}");
        }
    }

    #[test]
    fn one_seed_throws_one_sequence() {
        let poisson = Poisson::of(2.5);
        let thrown = |seed| {
            let mut dice = Dice::of(seed);
            (0..16).map(|_| poisson.throw(&mut dice)).collect::<Vec<u64>>()
        };
        assert_eq!(thrown(7), thrown(7));
        assert_ne!(thrown(7), thrown(8));
    }
}
