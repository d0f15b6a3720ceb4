//! The word list: made up, written to a file by the main program, read and sorted by the template.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::NamedTempFile;

const WORDS: u32 = 300_000;
const LONGEST: usize = 12;

/// The letters of a word in the order of the alphabet: the same for all its anagrams.
type Letters = [u8; LONGEST];

/// The words, and how to find them.
#[derive(Debug)]
pub(crate) struct Index {
    /// Sorted.
    words: Vec<String>,
    /// Sorted by letters; each with the place of its word.
    by_letters: Vec<(Letters, u32)>,
}

static INDEX: OnceLock<Index> = OnceLock::new();

/// Reads the list into this process, and so into all forks of it.
pub(crate) fn load(list: &Path) -> io::Result<()> {
    let mut words: Vec<String> = fs::read_to_string(list)?.lines().map(str::to_owned).collect();
    words.sort_unstable();
    words.dedup();
    let mut by_letters: Vec<(Letters, u32)> = (0..).zip(&words).map(|(place, word)| (letters(word), place)).collect();
    by_letters.sort_unstable();
    INDEX.get_or_init(|| Index { words, by_letters });
    Ok(())
}

/// What `load` has read.
pub(crate) fn index() -> io::Result<&'static Index> {
    INDEX.get().ok_or_else(|| io::Error::other("no word list has been loaded in this process"))
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// The number of the word in the sorted list, from 1.
    pub(crate) fn place(&self, word: &str) -> Option<usize> {
        self.words.binary_search_by(|other| other.as_str().cmp(word)).ok().map(|place| place + 1)
    }

    /// The other words of the same letters.
    pub(crate) fn anagrams<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let wanted = letters(word);
        let first = self.by_letters.partition_point(|(letters, _)| *letters < wanted);
        let same = self.by_letters[first..].iter().take_while(move |(letters, _)| *letters == wanted);
        same.map(|(_, place)| self.words[*place as usize].as_str()).filter(move |other| *other != word)
    }
}

fn letters(word: &str) -> Letters {
    let mut letters = [0; LONGEST];
    for (place, letter) in letters.iter_mut().zip(word.bytes()) {
        *place = letter;
    }
    letters.sort_unstable();
    letters
}

/// Writes the list to a temporary file, which goes away with the value.
pub(crate) fn write_list() -> io::Result<NamedTempFile> {
    let file = NamedTempFile::with_prefix("anyfork-tour-")?;
    let mut out = BufWriter::new(&file);
    for number in 0..WORDS {
        writeln!(out, "{}", word(number))?;
    }
    out.flush()?;
    drop(out);
    Ok(file)
}

/// A made-up word, always the same for a number: three to six syllables of two letters.
pub(crate) fn word(number: u32) -> String {
    // The splitmix64 generator, for letters that look random.
    let mut bits = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let mut draw = |choices: &[u8]| {
        let drawn = choices[(bits % choices.len() as u64) as usize];
        bits /= choices.len() as u64;
        char::from(drawn)
    };
    let syllables = draw(&[3, 4, 4, 5, 5, 6]) as u32;
    (0..syllables).flat_map(|_| [draw(b"bdfglmnprstv"), draw(b"aeiou")]).collect()
}
