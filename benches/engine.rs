//! q
use anyfork::{Process, Template, Worker};
use std::io::Read;
use std::time::Instant;

#[anyfork::entry]
fn exit() {}

fn eof(worker: &Worker) {
    let mut byte = [0];
    assert_eq!(worker.socket().read(&mut byte).unwrap(), 0);
}

fn one(template: &Template, count: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..count {
        let worker = template.fork().blocking_socket(true).run(exit).unwrap();
        eof(&worker);
    }
    count as f64 / start.elapsed().as_secs_f64()
}
fn many(template: &Template, count: usize, flight: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..count / flight {
        let all: Vec<_> = (0..flight).map(|_| template.fork().blocking_socket(true).start(exit)).collect();
        let all: Vec<_> = all.into_iter().map(|s| s.wait().unwrap()).collect();
        for w in &all { eof(w); }
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    let template = Process::new().template().unwrap();
    let w=template.fork().run(exit).unwrap(); println!("{:?}", w.wait().unwrap().usage());
    if std::env::var_os("MANY").is_some() { println!("{:.0}", many(&template, 40000, 16)); return; }
    for _ in 0..5 {
        println!("one {:.0}  16: {:.0}", one(&template, 3000), many(&template, 6400, 16));
    }
}
