/// A time in tar headers: seconds since 1970 UTC and the nanoseconds to add.
///
/// Negative times keep `nanoseconds` positive, so 0.3 s before 1970 is `{-1, 700_000_000}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TarTime {
    /// Whole seconds since the epoch, rounded down.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1,000,000,000.
    pub nanoseconds: u32,
}

const NANOS_PER_SECOND: u32 = 1_000_000_000;
const NANO_DIGITS: usize = 9;

impl TarTime {
    /// A time of whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Rounds to the nearest second, halves up, as Go's writer does if no format is requested.
    #[must_use]
    pub fn round_to_second(self) -> Self {
        let up = i64::from(self.nanoseconds >= NANOS_PER_SECOND / 2);
        Self::from_seconds(self.seconds.saturating_add(up))
    }

    /// Drops the nanoseconds.
    #[must_use]
    pub fn truncate_to_second(self) -> Self {
        Self::from_seconds(self.seconds)
    }

    /// Parses the decimal form of PAX records, such as `1350244992.023960108` or `-1.5`.
    ///
    /// More than nine digits after the point are cut off (Go: archive/tar/strconv.go,
    /// `parsePAXTime`).
    pub(crate) fn from_pax(text: &[u8]) -> Option<Self> {
        let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
            Some(point) => (text.get(..point)?, text.get(point + 1..)?),
            None => (text, &[][..]),
        };
        let seconds = crate::number::parse_decimal(whole)?;
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits = fraction.iter().copied().chain(std::iter::repeat(b'0'));
        let nanos = digits
            .take(NANO_DIGITS)
            .fold(0u32, |sum, d| sum * 10 + u32::from(d - b'0'));
        if whole.first() == Some(&b'-') && nanos > 0 {
            return Some(Self {
                seconds: seconds.wrapping_sub(1),
                nanoseconds: NANOS_PER_SECOND - nanos,
            });
        }
        Some(Self {
            seconds,
            nanoseconds: nanos,
        })
    }

    /// Formats the decimal form of PAX records, without trailing zeros.
    pub(crate) fn to_pax(self) -> String {
        if self.nanoseconds == 0 {
            return self.seconds.to_string();
        }
        let (sign, seconds, nanos) = if self.seconds < 0 {
            (
                "-",
                -(self.seconds + 1),
                NANOS_PER_SECOND - self.nanoseconds,
            )
        } else {
            ("", self.seconds, self.nanoseconds)
        };
        let text = format!("{sign}{seconds}.{nanos:09}");
        text.trim_end_matches('0').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(i64, u32)>) {
        let expected = expected.map(|(seconds, nanoseconds)| TarTime {
            seconds,
            nanoseconds,
        });
        assert_eq!(TarTime::from_pax(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn reads_what_go_reads() {
        check("1350244992.023960108", Some((1_350_244_992, 23_960_108)));
        check("1350244992.02396010", Some((1_350_244_992, 23_960_100)));
        check("1350244992.0239601089", Some((1_350_244_992, 23_960_108)));
        check("1350244992.", Some((1_350_244_992, 0)));
        check("-1.5", Some((-2, 500_000_000)));
        check("-0.3", Some((-1, 700_000_000)));
        check("-5", Some((-5, 0)));
        check("+5", Some((5, 0)));
        check("", None);
        check(".5", None);
        check("1.-5", None);
        check("0x1", None);
        check("99999999999999999999", None);
    }

    #[test]
    fn rounds_half_up() {
        let time = |seconds, nanoseconds| TarTime {
            seconds,
            nanoseconds,
        };
        assert_eq!(time(5, 499_999_999).round_to_second(), time(5, 0));
        assert_eq!(time(5, 500_000_000).round_to_second(), time(6, 0));
        assert_eq!(time(-1, 500_000_000).round_to_second(), time(0, 0));
    }

    proptest! {
        #[test]
        fn pax_form_round_trips(seconds in i64::MIN + 2..i64::MAX, nanoseconds in 0..NANOS_PER_SECOND) {
            let time = TarTime { seconds, nanoseconds };
            prop_assert_eq!(TarTime::from_pax(time.to_pax().as_bytes()), Some(time));
        }
    }
}
