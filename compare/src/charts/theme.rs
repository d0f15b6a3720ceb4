//! The colours of a chart for a light or a dark ground.

use crate::names::place;
use plotters::prelude::*;
use plotters::style::TextStyle;

#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    pub(super) name: &'static str,
    pub(super) text: RGBColor,
    pub(super) faint: RGBColor,
    pub(super) grid: RGBColor,
    /// In the order of the systems; the last one is for all others.
    systems: [RGBColor; 8],
}

const fn rgb(hex: u32) -> RGBColor {
    RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

pub(super) const ALL: [Theme; 2] = [
    Theme {
        name: "light",
        text: rgb(0x1f2328),
        faint: rgb(0x59636e),
        grid: rgb(0xd1d9e0),
        systems: [
            rgb(0xcf222e),
            rgb(0x0969da),
            rgb(0x9a6700),
            rgb(0x8250df),
            rgb(0x1a7f37),
            rgb(0x424a53),
            rgb(0xbc4c00),
            rgb(0x6e7781),
        ],
    },
    Theme {
        name: "dark",
        text: rgb(0xf0f6fc),
        faint: rgb(0x9198a1),
        grid: rgb(0x3d444d),
        systems: [
            rgb(0xff7b72),
            rgb(0x58a6ff),
            rgb(0xd29922),
            rgb(0xbc8cff),
            rgb(0x56d364),
            rgb(0xd1d7e0),
            rgb(0xf0883e),
            rgb(0x8b949e),
        ],
    },
];

impl Theme {
    pub(super) fn system(&self, system: &str) -> RGBColor {
        let name = system.split(',').next().unwrap_or(system);
        self.systems[place(name).min(self.systems.len() - 1)]
    }

    pub(super) fn font(&self, size: f64, color: RGBColor) -> TextStyle<'static> {
        ("sans-serif", size).into_font().color(&color)
    }
}
