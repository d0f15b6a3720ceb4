//! What the program under test says on its standard output: a word a line.

use crate::oracle::Oracle;
use std::fmt;
use std::str::FromStr;

/// What is said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// So many have been started and told of.
    Count(u64),
    /// The numbers of the template in use and of the default template; 0: none.
    Templates(u32, u32),
    /// The observer is to look now; it writes a line when it has.
    Pause(String),
    /// So many have been started, and nothing is in flight; the observer is to look as at a pause.
    Rest(u64),
    /// From here on the program does nothing, or goes on.
    Idle(bool),
    Figure(String, f64),
    Trouble(Oracle, String),
    End,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Count(count) => write!(f, "count {count}"),
            Word::Templates(template, default) => write!(f, "templates {template} {default}"),
            Word::Pause(name) => write!(f, "pause {name}"),
            Word::Rest(count) => write!(f, "rest {count}"),
            Word::Idle(idle) => write!(f, "idle {idle}"),
            Word::Figure(name, value) => write!(f, "figure {value} {name}"),
            Word::Trouble(oracle, what) => write!(f, "trouble {oracle} {}", what.replace('\n', " ")),
            Word::End => write!(f, "end "),
        }
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let error = || format!("not understood: {line:?}");
        let (word, rest) = line.split_once(' ').ok_or_else(error)?;
        let pair = || rest.split_once(' ').ok_or_else(error);
        Ok(match word {
            "count" => Word::Count(rest.parse().map_err(|_| error())?),
            "templates" => {
                let number = |text: &str| text.parse().map_err(|_| error());
                Word::Templates(number(pair()?.0)?, number(pair()?.1)?)
            }
            "pause" => Word::Pause(rest.to_owned()),
            "rest" => Word::Rest(rest.parse().map_err(|_| error())?),
            "idle" => Word::Idle(rest.parse().map_err(|_| error())?),
            "figure" => Word::Figure(pair()?.1.to_owned(), pair()?.0.parse().map_err(|_| error())?),
            "trouble" => Word::Trouble(pair()?.0.parse()?, pair()?.1.to_owned()),
            "end" => Word::End,
            _ => return Err(error()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_as_they_were_said() {
        let words = [
            Word::Count(7),
            Word::Templates(1, 0),
            Word::Pause("begin".into()),
            Word::Rest(7),
            Word::Idle(true),
            Word::Figure("a figure".into(), 0.25),
            Word::Trouble(Oracle::Lost, "worker 7".into()),
            Word::End,
        ];
        words.iter().for_each(|word| assert_eq!(word.to_string().parse(), Ok(word.clone())));
        assert!("what".parse::<Word>().is_err() && "figure x y".parse::<Word>().is_err());
    }
}
