//! A bar for each system: the median, and a thin line to the slowest of a hundred.

use super::lines::number;
use super::theme::Theme;
use super::{Area, Drawn};
use plotters::prelude::*;

#[derive(Debug)]
pub(super) struct Bar {
    pub(super) system: String,
    /// Microseconds.
    pub(super) middle: f64,
    pub(super) high: Option<f64>,
}

const TITLE: &str = "Microseconds from the call to the first byte: median, thin to 99 % (open loop at half the highest rate; grey: at that of anyfork)";

/// From top to bottom.
pub(super) fn paint(area: &Area<'_>, theme: &Theme, bars: &[Bar]) -> Drawn {
    area.draw(&Text::new(TITLE, (14, 10), theme.font(15.0, theme.text)))?;
    let highest = bars.iter().flat_map(|bar| [bar.middle, bar.high.unwrap_or_default()]).fold(1.0, f64::max);
    let lowest = bars.iter().map(|bar| bar.middle).fold(highest, f64::min) / 2.0;
    let mut chart = ChartBuilder::on(area)
        .margin_top(40)
        .margin_right(150)
        .margin_left(150)
        .x_label_area_size(26)
        .build_cartesian_2d((lowest..highest * 1.5).log_scale(), 0.0..bars.len() as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(theme.grid)
        .axis_style(theme.faint)
        .label_style(theme.font(11.0, theme.faint))
        .x_label_formatter(&number)
        .draw()?;
    for (index, bar) in (0..).zip(bars) {
        let color = theme.system(&bar.system);
        let at = bars.len() as f64 - f64::from(index) - 0.5;
        let high = bar.high.unwrap_or(bar.middle);
        chart.draw_series([
            Rectangle::new([(lowest, at - 0.3), (bar.middle, at + 0.3)], color.filled()),
            Rectangle::new([(bar.middle, at - 0.06), (high.max(bar.middle), at + 0.06)], color.filled()),
        ])?;
        let (right, height) = chart.backend_coord(&(high.max(bar.middle), at));
        let (left, top) = area.get_base_pixel();
        let place = |x: i32| (x - left, height - top - 7);
        area.draw(&Text::new(bar.system.clone(), place(left + 14), theme.font(13.0, color)))?;
        let figure = match bar.high {
            Some(high) => format!("{} (99 %: {})", number(&bar.middle), number(&high)),
            None => number(&bar.middle),
        };
        area.draw(&Text::new(figure, place(right + 8), theme.font(13.0, theme.text)))?;
    }
    Ok(())
}
