//! Times in the form of Go's `time.Time`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

const SECONDS_PER_DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z, Go's value for no time.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a time in RFC 3339 form with a year from 0 to 9999: {text:?}")]
pub struct TimestampError {
    /// The refused text.
    pub text: String,
}

/// A time with nanoseconds and an offset from UTC.
///
/// The offset is kept because Go keeps it: images have times like `2024-05-01T12:00:00+02:00`. An
/// offset of zero is always written as `Z`. The default is Go's zero time, `0001-01-01T00:00:00Z`,
/// which means that the time is unknown.
///
/// Ordered by time, then by offset.
///
/// ```
/// use layerhold_schema::Timestamp;
///
/// let time: Timestamp = "2024-05-01T12:00:00.250+02:00".parse()?;
/// assert_eq!(time.to_string(), "2024-05-01T12:00:00.25+02:00");
/// assert_eq!(time.to_utc().to_string(), "2024-05-01T10:00:00.25Z");
/// assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
/// # Ok::<(), layerhold_schema::TimestampError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Since 1970-01-01T00:00:00Z.
    seconds: i64,
    nanos: u32,
    offset_minutes: i16,
}

impl Timestamp {
    /// Go's zero time.
    pub const ZERO: Self = Self {
        seconds: ZERO_SECONDS,
        nanos: 0,
        offset_minutes: 0,
    };

    /// Makes a time in UTC from seconds since 1970 and nanoseconds; `None` outside the years 0 to
    /// 9999.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32) -> Option<Self> {
        let time = Self {
            seconds,
            nanos,
            offset_minutes: 0,
        };
        (nanos < 1_000_000_000 && time.has_year()).then_some(time)
    }

    /// Returns the current time in UTC, or the zero time if the clock is outside the years 0 to
    /// 9999.
    #[must_use]
    pub fn now() -> Self {
        Self::try_from(SystemTime::now()).unwrap_or_default()
    }

    /// Returns the seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds since the last full second.
    #[must_use]
    pub const fn subsecond_nanos(self) -> u32 {
        self.nanos
    }

    /// Returns the offset from UTC in minutes.
    #[must_use]
    pub const fn offset_minutes(self) -> i16 {
        self.offset_minutes
    }

    /// Returns the same time with an offset of zero.
    #[must_use]
    pub const fn to_utc(self) -> Self {
        Self {
            offset_minutes: 0,
            ..self
        }
    }

    /// Tells whether this is the zero time.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.seconds == ZERO_SECONDS && self.nanos == 0
    }

    fn has_year(self) -> bool {
        (first_second(0)..first_second(10_000)).contains(&self.local_seconds())
    }

    fn local_seconds(self) -> i64 {
        self.seconds
            .saturating_add(i64::from(self.offset_minutes) * 60)
    }
}

fn first_second(year: i64) -> i64 {
    days_from_civil(year, 1, 1) * SECONDS_PER_DAY
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March here, so that leap
/// days end them.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // There are 719468 days from 0000-03-01 to 1970-01-01. From March on, every five months have
    // 153 days.
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The day of the Gregorian calendar at so many days after 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    // The last days of 4, 100 and 400 years do not begin another year.
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local_seconds();
        let (year, month, day) = civil_from_days(local.div_euclid(SECONDS_PER_DAY));
        let second = local.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if self.nanos > 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset_minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes fixed pieces from the front of a text.
struct Pieces<'a>(&'a [u8]);

impl Pieces<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |sum, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + i64::from(byte - b'0'))
        })
    }

    fn number_in(&mut self, digits: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        self.number(digits).filter(|number| range.contains(number))
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == byte).then_some(())
    }

    /// Digits after a point, if present. Those after the ninth are dropped, as in Go.
    fn nanos(&mut self) -> Option<u32> {
        let Some((b'.', rest)) = self.0.split_first() else {
            return Some(0);
        };
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest
            .split_at_checked(length)
            .filter(|(digits, _)| !digits.is_empty())?;
        self.0 = rest;
        let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
        Some(padded.fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0')))
    }

    fn offset_minutes(&mut self) -> Option<i16> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match first {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.number_in(2, 0..=23)?;
        self.byte(b':')?;
        let minutes = self.number_in(2, 0..=59)?;
        i16::try_from(sign * (hours * 60 + minutes)).ok()
    }
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let mut pieces = Pieces(text);
    let year = pieces.number(4)?;
    pieces.byte(b'-')?;
    let month = pieces.number_in(2, 1..=12)?;
    pieces.byte(b'-')?;
    let day = pieces.number_in(2, 1..=days_in_month(year, month))?;
    pieces.byte(b'T')?;
    let hour = pieces.number_in(2, 0..=23)?;
    pieces.byte(b':')?;
    let minute = pieces.number_in(2, 0..=59)?;
    pieces.byte(b':')?;
    let second = pieces.number_in(2, 0..=59)?;
    let nanos = pieces.nanos()?;
    let offset_minutes = pieces.offset_minutes()?;
    let local =
        days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    let seconds = local - i64::from(offset_minutes) * 60;
    pieces.0.is_empty().then_some(Timestamp {
        seconds,
        nanos,
        offset_minutes,
    })
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Parses exactly the form that Go accepts in JSON: `T` and `Z` in capitals, a point before
    /// fractions.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text.as_bytes()).ok_or_else(|| TimestampError {
            text: text.to_owned(),
        })
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = TimestampError;

    fn try_from(time: SystemTime) -> Result<Self, TimestampError> {
        let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (i64::try_from(after.as_secs()).ok(), after.subsec_nanos()),
            Err(before) => before_epoch(before.duration()),
        };
        let outside = || TimestampError {
            text: format!("{time:?}"),
        };
        seconds
            .and_then(|seconds| Self::from_unix(seconds, nanos))
            .ok_or_else(outside)
    }
}

fn before_epoch(distance: Duration) -> (Option<i64>, u32) {
    let seconds = i64::try_from(distance.as_secs())
        .ok()
        .map(|seconds| -seconds);
    match distance.subsec_nanos() {
        0 => (seconds, 0),
        nanos => (seconds.map(|seconds| seconds - 1), 1_000_000_000 - nanos),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_go() {
        let cases = [
            (
                "0001-01-01T00:00:00Z",
                ZERO_SECONDS,
                0,
                "0001-01-01T00:00:00Z",
            ),
            ("1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"),
            (
                "2026-11-21T02:58:07.427108139Z",
                1_795_229_887,
                427_108_139,
                "2026-11-21T02:58:07.427108139Z",
            ),
            (
                "2000-02-29T23:59:59.100000000Z",
                951_868_799,
                100_000_000,
                "2000-02-29T23:59:59.1Z",
            ),
            (
                "1969-12-31T23:59:59.5Z",
                -1,
                500_000_000,
                "1969-12-31T23:59:59.5Z",
            ),
            (
                "2024-05-01T12:00:00+02:00",
                1_714_557_600,
                0,
                "2024-05-01T12:00:00+02:00",
            ),
            (
                "2024-05-01T12:00:00-09:30",
                1_714_599_000,
                0,
                "2024-05-01T12:00:00-09:30",
            ),
            (
                "2024-05-01T12:00:00+00:00",
                1_714_564_800,
                0,
                "2024-05-01T12:00:00Z",
            ),
            (
                "2024-05-01T12:00:00-00:00",
                1_714_564_800,
                0,
                "2024-05-01T12:00:00Z",
            ),
            (
                "2024-05-01T12:00:00.1234567899Z",
                1_714_564_800,
                123_456_789,
                "2024-05-01T12:00:00.123456789Z",
            ),
            (
                "0000-01-01T00:00:00+23:59",
                -62_167_305_540,
                0,
                "0000-01-01T00:00:00+23:59",
            ),
            (
                "9999-12-31T23:59:59.999999999Z",
                253_402_300_799,
                999_999_999,
                "9999-12-31T23:59:59.999999999Z",
            ),
        ];
        for (text, seconds, nanos, expected) in cases {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(
                (time.unix_seconds(), time.subsecond_nanos()),
                (seconds, nanos),
                "{text}"
            );
            assert_eq!(time.to_string(), expected);
        }
    }

    #[test]
    fn refused_texts() {
        for text in [
            "",
            "2024-05-01",
            "2024-05-01T12:00:00",
            "2024-05-01t12:00:00Z",
            "2024-05-01T12:00:00z",
            "2024-05-01 12:00:00Z",
            "2024-13-01T12:00:00Z",
            "2024-00-01T12:00:00Z",
            "2023-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T12:60:00Z",
            "2024-05-01T12:00:60Z",
            "2024-05-01T1:00:00Z",
            "2024-05-01T12:00:00.Z",
            "2024-05-01T12:00:00,5Z",
            "2024-05-01T12:00:00+24:00",
            "2024-05-01T12:00:00+0200",
            "2024-05-01T12:00:00ZZ",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
        ] {
            assert_eq!(
                text.parse::<Timestamp>(),
                Err(TimestampError {
                    text: text.to_owned()
                })
            );
        }
    }

    #[test]
    fn years_are_limited() {
        assert_eq!(Timestamp::from_unix(253_402_300_800, 0), None);
        assert_eq!(Timestamp::from_unix(-62_167_219_201, 0), None);
        assert_eq!(Timestamp::from_unix(0, 1_000_000_000), None);
        assert_eq!(Timestamp::from_unix(i64::MAX, 0), None);
        assert!(Timestamp::ZERO.is_zero() && Timestamp::default().is_zero());
        assert!(!Timestamp::now().is_zero());
    }

    #[test]
    fn from_the_clock() {
        let before = UNIX_EPOCH - Duration::from_millis(1500);
        assert_eq!(
            Timestamp::try_from(before).unwrap().to_string(),
            "1969-12-31T23:59:58.5Z"
        );
        let after = UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(
            Timestamp::try_from(after).unwrap().to_string(),
            "1970-01-01T00:00:01.5Z"
        );
    }

    #[test]
    fn sorted_by_moment() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(time("2024-05-01T12:00:00+02:00") < time("2024-05-01T11:00:00Z"));
    }

    proptest! {
        #[test]
        fn there_and_back(
            seconds in -62_167_100_000..253_402_200_000i64,
            nanos in 0..1_000_000_000u32,
            offset_minutes in -1439..=1439i16,
        ) {
            let time = Timestamp { seconds, nanos, offset_minutes };
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn calendar(days in -800_000..3_000_000i64) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
        }

        #[test]
        fn no_text_panics(text in "[0-9TZ:.+-]{0,36}|\\PC{0,30}") {
            let _result = text.parse::<Timestamp>();
        }
    }
}
