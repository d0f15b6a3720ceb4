//! The clients, threads of the main program, and how a worker answers one.

use crate::Result;
use crate::words::{self, Index};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// In a worker: one line with a word comes, one line with the answer goes.
pub(crate) fn answer(mut client: TcpStream, index: &Index) -> io::Result<()> {
    // Whoever connects and says nothing must not keep the worker.
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut line = String::new();
    if BufReader::new(&client).read_line(&mut line).is_err() {
        return Ok(());
    }
    let word = line.trim_end();
    let pid = std::process::id();
    let Some(place) = index.place(word) else {
        return writeln!(client, "{pid} {word} is not in the list");
    };
    let anagrams: Vec<&str> = index.anagrams(word).take(3).collect();
    let anagrams = if anagrams.is_empty() { "no other word".to_owned() } else { anagrams.join(", ") };
    writeln!(client, "{pid} {word} is word {place} of {}; of its letters: {anagrams}", index.len())
}

/// In the main program: so many clients at once, and a table of who answered.
pub(crate) fn run(address: SocketAddr, clients: u32) -> Result<()> {
    let ask_for = |number: u32| thread::spawn(move || ask(address, &words::word(number * 7001)));
    let clients: Vec<_> = (1..=clients).map(ask_for).collect();
    let mut answered: BTreeMap<u32, u32> = BTreeMap::new();
    for (number, client) in clients.into_iter().enumerate() {
        let (pid, answer) = client.join().map_err(|_| "a client panicked")??;
        *answered.entry(pid).or_default() += 1;
        if number < 5 {
            println!("  worker {pid}: {answer}");
        }
    }
    let counts: Vec<String> = answered.iter().map(|(pid, count)| format!("{pid}: {count}")).collect();
    println!("  ...\n\nAnswers per worker: {}.", counts.join(", "));
    Ok(())
}

/// The worker that answered, and its answer.
fn ask(address: SocketAddr, word: &str) -> io::Result<(u32, String)> {
    let mut server = TcpStream::connect(address)?;
    server.set_read_timeout(Some(Duration::from_secs(10)))?;
    writeln!(server, "{word}")?;
    let mut line = String::new();
    BufReader::new(server).read_line(&mut line)?;
    let (pid, answer) = line.trim_end().split_once(' ').ok_or(io::ErrorKind::UnexpectedEof)?;
    let pid = pid.parse().map_err(io::Error::other)?;
    Ok((pid, answer.to_owned()))
}
