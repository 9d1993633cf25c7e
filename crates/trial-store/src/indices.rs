//! Sets of op or unit numbers as ranges, because a line of a journal or a log often names hundreds of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A set of op numbers (positions in the log) or of unit numbers.
///
/// Shown, parsed and serialized as ascending ranges, `0-3,7`; the empty set is `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Indices {
    /// First and last member of each range; ascending, disjoint and not adjacent.
    ranges: Vec<(u32, u32)>,
}

impl Indices {
    /// The largest number a set may hold, so that a set of bits for a hostile text stays at 2 MB.
    pub const MAX: u32 = (1 << 24) - 1;

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| first..=last)
    }

    /// Is the number a member?
    pub fn contains(&self, index: u32) -> bool {
        let after = self.ranges.partition_point(|&(first, _)| first <= index);
        after > 0 && self.ranges[after - 1].1 >= index
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|&(first, last)| (last - first) as usize + 1).sum()
    }

    /// Is the set empty?
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn push_range(&mut self, first: u32, last: u32) {
        match self.ranges.last_mut() {
            Some(previous) if previous.1 + 1 >= first => previous.1 = previous.1.max(last),
            _ => self.ranges.push((first, last)),
        }
    }
}

impl FromIterator<u32> for Indices {
    /// Collects numbers in any order.
    ///
    /// # Panics
    /// On a number above [`Indices::MAX`].
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut sorted: Vec<u32> = numbers.into_iter().collect();
        sorted.sort_unstable();
        assert!(sorted.last().is_none_or(|&last| last <= Self::MAX), "an index lies beyond {}", Self::MAX);
        let mut indices = Self::default();
        for number in sorted {
            indices.push_range(number, number);
        }
        indices
    }
}

impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ranges.is_empty() {
            return f.write_str("none");
        }
        for (position, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

/// A text that is no set of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndicesError {
    /// A part between commas is neither `N` nor `N-M` with N ≤ M.
    #[error("read the numbers: `{0}` is neither a number nor a range such as `3-7` (write `none` for the empty set)")]
    Part(String),
    /// Numbers must be at most [`Indices::MAX`].
    #[error("read the numbers: {0} is larger than {max}", max = Indices::MAX)]
    TooLarge(String),
}

impl FromStr for Indices {
    type Err = IndicesError;

    /// Parses parts in any order; they may overlap.
    fn from_str(text: &str) -> Result<Self, IndicesError> {
        if text == "none" {
            return Ok(Self::default());
        }
        let mut ranges = text.split(',').map(parse_range).collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable();
        let mut indices = Self::default();
        for (first, last) in ranges {
            indices.push_range(first, last);
        }
        Ok(indices)
    }
}

fn parse_range(part: &str) -> Result<(u32, u32), IndicesError> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (parse_number(part, first)?, parse_number(part, last)?);
    if first > last { Err(IndicesError::Part(part.to_owned())) } else { Ok((first, last)) }
}

fn parse_number(part: &str, digits: &str) -> Result<u32, IndicesError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(IndicesError::Part(part.to_owned()));
    }
    match digits.parse() {
        Ok(number) if number <= Indices::MAX => Ok(number),
        _ => Err(IndicesError::TooLarge(digits.to_owned())),
    }
}

impl Serialize for Indices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Indices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_reads_back_from_its_text(numbers in proptest::collection::btree_set(0..60_u32, 0..40)) {
            let indices: Indices = numbers.iter().copied().collect();
            prop_assert_eq!(indices.to_string().parse(), Ok(indices.clone()));
            prop_assert_eq!(indices.iter().collect::<BTreeSet<_>>(), numbers.clone());
            prop_assert_eq!(indices.len(), numbers.len());
            for number in 0..61 {
                prop_assert_eq!(indices.contains(number), numbers.contains(&number));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}|[0-9,-]{0,40}") {
            let _ = text.parse::<Indices>();
        }
    }

    #[test]
    fn ranges_are_merged_whatever_their_order() {
        assert_eq!("7,0-3,2-4,5".parse::<Indices>().unwrap().to_string(), "0-5,7");
    }

    #[test]
    fn a_text_that_is_no_set_says_which_part_is_wrong() {
        for (text, part) in [("", ""), ("1,,2", ""), ("5-3", "5-3"), ("1,+2", "+2"), ("1-2-3", "1-2-3")] {
            assert_eq!(text.parse::<Indices>(), Err(IndicesError::Part(part.to_owned())));
        }
        assert_eq!("0-4294967295".parse::<Indices>(), Err(IndicesError::TooLarge("4294967295".to_owned())));
    }
}
