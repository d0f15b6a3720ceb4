//! Lines by size of the main program, both axes logarithmic, in panels beside each other.

use super::theme::Theme;
use super::{Area, Drawn};
use crate::report::grouped;
use plotters::prelude::*;
use std::ops::Range;

/// Room for the names of the systems, at the ends of their lines.
const NAMES: u32 = 140;
const LINE_HEIGHT: i32 = 15;

#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) system: String,
    /// Megabytes and the figure.
    pub(super) points: Vec<(f64, f64)>,
}

/// All panels have the same axes, so that they can be compared.
pub(super) fn paint(area: &Area<'_>, theme: &Theme, title: &str, panels: &[Panel]) -> Drawn {
    area.draw(&Text::new(title.to_owned(), (14, 10), theme.font(17.0, theme.text)))?;
    let points = || panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.points);
    let (x, y) = (range(points().map(|point| point.0)), range(points().map(|point| point.1)));
    let (_, below) = area.split_vertically(34);
    for (part, panel) in below.split_evenly((1, panels.len())).iter().zip(panels) {
        paint_panel(part, theme, panel, &x, &y)?;
    }
    Ok(())
}

/// A little more than the values need.
fn range(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let low = values.clone().fold(f64::MAX, f64::min);
    let high = values.fold(f64::MIN_POSITIVE, f64::max);
    low * 0.7..high * 1.4
}

fn paint_panel(area: &Area<'_>, theme: &Theme, panel: &Panel, x: &Range<f64>, y: &Range<f64>) -> Drawn {
    area.draw(&Text::new(panel.title, (64, 4), theme.font(13.0, theme.text)))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(24)
        .margin_right(NAMES)
        .x_label_area_size(44)
        .y_label_area_size(62)
        .build_cartesian_2d(x.clone().log_scale(), y.clone().log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(theme.grid)
        .axis_style(theme.faint)
        .label_style(theme.font(11.0, theme.faint))
        .x_desc("MB resident in the main program")
        .axis_desc_style(theme.font(12.0, theme.faint))
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .draw()?;
    let mut ends = Vec::new();
    for line in &panel.lines {
        let width = if line.system == "anyfork" { 3 } else { 2 };
        let style = theme.system(&line.system).stroke_width(width);
        chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
        chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 3, style.color.filled())))?;
        let last = line.points.last().map(|point| chart.backend_coord(point));
        ends.extend(last.map(|(_, height)| (height, line)));
    }
    let right = area.get_pixel_range().0.end - NAMES as i32 + 8;
    paint_names(area, theme, right, ends)
}

/// At the height of their lines' ends, but never one over the other.
fn paint_names(area: &Area<'_>, theme: &Theme, x: i32, mut ends: Vec<(i32, &Line)>) -> Drawn {
    ends.sort_by_key(|(height, _)| *height);
    let bottom = area.get_pixel_range().1.end - 64;
    let heights = spaced(ends.iter().map(|(height, _)| *height).collect(), bottom);
    let (left, top) = area.get_base_pixel();
    for (height, (_, line)) in heights.into_iter().zip(ends) {
        let place = (x - left, height - top - LINE_HEIGHT / 2);
        area.draw(&Text::new(line.system.clone(), place, theme.font(13.0, theme.system(&line.system))))?;
    }
    Ok(())
}

/// Moves down what stands too close to the one above, then up what has come below the bottom.
fn spaced(mut heights: Vec<i32>, bottom: i32) -> Vec<i32> {
    for index in 1..heights.len() {
        heights[index] = heights[index].max(heights[index - 1] + LINE_HEIGHT);
    }
    let mut limit = bottom;
    for height in heights.iter_mut().rev() {
        *height = (*height).min(limit);
        limit = *height - LINE_HEIGHT;
    }
    heights
}

pub(super) fn number(value: &f64) -> String {
    match *value {
        value if value < 1.0 => format!("{value}"),
        value => grouped(&format!("{value:.0}")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_keep_their_distance() {
        assert_eq!(super::spaced(vec![10, 12, 100], 200), [10, 25, 100]);
        assert_eq!(super::spaced(vec![190, 195, 199], 200), [170, 185, 200]);
    }
}
