//! A small picture in shades of grey.

use std::fmt;

/// From black to white, for a terminal with light letters.
const SHADES: &[u8; 10] = b" .:-=+*#%@";

pub(crate) struct Picture {
    pub(crate) width: usize,
    /// One octet each, row after row.
    pub(crate) pixels: Vec<u8>,
}

impl Picture {
    /// A disc, brightest in the middle, on black.
    pub(crate) fn sun() -> Self {
        let (width, height) = (48, 16);
        let pixels = (0..width * height).map(|at| {
            // Letters are twice as high as wide.
            let x = (at % width) as f64 - (width - 1) as f64 / 2.0;
            let y = 2.0 * ((at / width) as f64 - (height - 1) as f64 / 2.0);
            let from_the_middle = x.hypot(y) / 13.0;
            if from_the_middle < 1.0 { (255.0 - 128.0 * from_the_middle) as u8 } else { 0 }
        });
        Picture { width, pixels: pixels.collect() }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.pixels.chunks(self.width) {
            let shades = row.iter().map(|pixel| SHADES[usize::from(*pixel) * SHADES.len() / 256] as char);
            writeln!(f, "|{}|", shades.collect::<String>())?;
        }
        Ok(())
    }
}
