//! What a program that was exec'd finds: a variable, and a greeting on a socket.

use crate::handover::{announces, parse, written};
use crate::wire::{self, Hello, Order};

/// The value of the variable, a newline, and what waits on the socket.
pub fn handover(octets: &[u8]) {
    let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
    let (value, greeting) = (&octets[..end], octets.get(end + 1..).unwrap_or_default());
    let understood = std::str::from_utf8(value).ok().and_then(parse);
    if let Some((number, nonce)) = understood {
        assert!(number > 2);
        assert_eq!(written(number, &nonce).as_bytes(), value, "nothing is believed that is not written so");
    }
    let nonce = understood.map_or([0; 16], |(_, nonce)| nonce);
    if announces(greeting, &nonce) {
        let Ok(Some((frame, length))) = wire::split(greeting) else { panic!("a greeting that is no frame") };
        let Ok(Order::Hello(hello)) = Order::parse(frame) else { panic!("a greeting that is no hello") };
        assert_eq!(Hello { nonce, ..hello }, hello);
        assert!((0..length).step_by(1 + length / 256).all(|cut| !announces(&greeting[..cut], &nonce)));
    }
}
