//! Quantities with their unit in the type.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};
use std::time::Duration;

/// A rate in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bitrate(u64);

impl Bitrate {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From bits per second.
    pub const fn new(bits_per_second: u64) -> Self {
        Self(bits_per_second)
    }

    /// From kilobits (1000 bits) per second.
    pub const fn from_kbps(kilobits_per_second: u64) -> Self {
        Self(kilobits_per_second.saturating_mul(1000))
    }

    /// `size` sent within `time`; zero when `time` is.
    pub fn of(size: DataSize, time: Duration) -> Self {
        let bits = u128::from(size.get()) * 8 * 1_000_000_000;
        Self(bits.checked_div(time.as_nanos()).map_or(0, |rate| u64::try_from(rate).unwrap_or(u64::MAX)))
    }

    /// Bits per second.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What goes through within `time`, rounded down.
    pub fn size_in(self, time: Duration) -> DataSize {
        let bytes = u128::from(self.0) * time.as_nanos() / 8_000_000_000;
        DataSize(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl Mul<f64> for Bitrate {
    type Output = Self;

    /// Rounded, not below zero.
    fn mul(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor).round() as u64)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} bit/s", self.0),
            1_000..1_000_000 => write!(f, "{:.1} kbit/s", self.0 as f64 / 1e3),
            _ => write!(f, "{:.2} Mbit/s", self.0 as f64 / 1e6),
        }
    }
}

/// An amount of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DataSize(u64);

impl DataSize {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for DataSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} B", self.0),
            1_000..1_000_000 => write!(f, "{:.1} kB", self.0 as f64 / 1e3),
            _ => write!(f, "{:.2} MB", self.0 as f64 / 1e6),
        }
    }
}

macro_rules! saturating_arithmetic {
    ($name:ident) => {
        impl Add for $name {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Sub for $name {
            type Output = Self;

            /// Not below zero.
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::ZERO, Add::add)
            }
        }
    };
}

saturating_arithmetic!(Bitrate);
saturating_arithmetic!(DataSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_size_and_time_agree() {
        let rate = Bitrate::of(DataSize::new(125_000), Duration::from_secs(2));
        assert_eq!(rate, Bitrate::from_kbps(500));
        assert_eq!(rate.size_in(Duration::from_secs(2)), DataSize::new(125_000));
        assert_eq!(Bitrate::of(DataSize::new(1), Duration::ZERO), Bitrate::ZERO);
    }

    #[test]
    fn display_names_the_unit() {
        assert_eq!(Bitrate::new(900).to_string(), "900 bit/s");
        assert_eq!(Bitrate::from_kbps(1_700).to_string(), "1.70 Mbit/s");
        assert_eq!(DataSize::new(1_500).to_string(), "1.5 kB");
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(DataSize::new(1) - DataSize::new(2), DataSize::ZERO);
        assert_eq!(Bitrate::new(u64::MAX) + Bitrate::new(1), Bitrate::new(u64::MAX));
        assert_eq!((Bitrate::new(1001) * 1.5, Bitrate::new(1001) * -1.0), (Bitrate::new(1502), Bitrate::ZERO));
    }
}
