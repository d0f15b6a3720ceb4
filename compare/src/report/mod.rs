//! What is printed of a comparison: a table, the ratios, and where anyfork is not the best.

mod losses;
mod ratios;
mod table;

use crate::row::Row;
use crate::series::Measured;
pub(crate) use table::grouped;

/// Everything, on standard output.
pub(crate) fn print(measured: &Measured, rows: &[Row]) {
    print!("{}", table::text(rows));
    print_section("anyfork against the others: median of the ratios of the rounds", &ratios::lines(measured));
    print_section("where another system has the better median", &losses::lines(rows));
    print_section("not measured", &measured.remarks);
}

fn print_section(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("\n{title}");
        lines.iter().for_each(|line| println!("  {line}"));
    }
}
