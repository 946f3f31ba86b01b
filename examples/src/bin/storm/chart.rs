//! The run as a chart: what callers got, how long they waited, what the server was sent.

use std::{error::Error, path::Path, time::Duration};

use plotters::{
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, ValueFormatter},
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    record::{Log, Sample},
    schedule::Schedule,
    stats::{percentile_ms, success},
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = Box<dyn Error>;
type Point = (f64, f64);

/// Each point stands for the calls launched within this.
const BIN: Duration = Duration::from_millis(500);
const SIZE: (u32, u32) = (1000, 960);
/// A colour for each stack.
const COLOURS: [RGBColor; 3] = [RGBColor(213, 94, 0), RGBColor(204, 121, 167), RGBColor(0, 114, 178)];
const GREY: RGBColor = RGBColor(110, 110, 110);

/// A line of a panel.
struct Series {
    name: String,
    style: ShapeStyle,
    points: Vec<Point>,
}

/// Writes the chart of a run to `path`.
pub(crate) fn write(path: &Path, schedule: &Schedule, stacks: &[(&str, Log)]) -> Result<(), Failure> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let panels = root.split_evenly((3, 1));

    let share =
        series(stacks, "", 1.0, |log| bins(log, schedule, |calls| success(calls).map(|share| share * 100.0)));
    panel(&panels[0], schedule, "calls answered with 200, %", 0.0..115.0, &share)?;

    let mut waits = series(stacks, " p99", 0.3, |log| bins(log, schedule, |calls| percentile_ms(calls, 99)));
    waits.extend(series(stacks, " p50", 1.0, |log| bins(log, schedule, |calls| percentile_ms(calls, 50))));
    panel(&panels[1], schedule, "wait of the callers, ms", (0.001..100_000.0).log_scale(), &waits)?;

    let sent = series(stacks, "", 1.0, |log| sent(log, schedule));
    let most = sent.iter().flat_map(|line| &line.points).fold(1.0_f64, |most, point| most.max(point.1));
    panel(&panels[2], schedule, "sent to the server, attempts per second", 0.0..most * 1.15, &sent)?;
    root.present()?;
    Ok(())
}

/// A line per stack.
fn series(
    stacks: &[(&str, Log)],
    suffix: &str,
    opacity: f64,
    points: impl Fn(&Log) -> Vec<Point>,
) -> Vec<Series> {
    let line = |((name, log), colour): (&(&str, Log), &RGBColor)| Series {
        name: format!("{name}{suffix}"),
        style: colour.mix(opacity).stroke_width(2),
        points: points(log),
    };
    stacks.iter().zip(&COLOURS).map(line).collect()
}

/// A point in the middle of each bin that `figure` has a value for.
fn bins(log: &Log, schedule: &Schedule, figure: impl Fn(&[Sample]) -> Option<f64>) -> Vec<Point> {
    let mut calls = vec![Vec::new(); bin_of(schedule.total()) + 1];
    for sample in &log.samples {
        if let Some(bin) = calls.get_mut(bin_of(sample.at)) {
            bin.push(*sample);
        }
    }
    let points = calls.iter().zip(middles());
    points.filter_map(|(calls, middle)| Some((middle, figure(calls)?))).collect()
}

fn sent(log: &Log, schedule: &Schedule) -> Vec<Point> {
    let mut counts = vec![0.0; bin_of(schedule.total())];
    for at in &log.attempts {
        if let Some(count) = counts.get_mut(bin_of(*at)) {
            *count += 1.0 / BIN.as_secs_f64();
        }
    }
    middles().zip(counts).collect()
}

fn bin_of(at: Duration) -> usize {
    usize::try_from(at.as_millis() / BIN.as_millis()).unwrap_or(usize::MAX)
}

fn middles() -> impl Iterator<Item = f64> {
    (0_u32..).map(|bin| (f64::from(bin) + 0.5) * BIN.as_secs_f64())
}

fn panel<Y>(area: &Area<'_>, schedule: &Schedule, title: &str, y: Y, lines: &[Series]) -> Result<(), Failure>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(30)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..schedule.total().as_secs_f64(), y)?;
    chart.configure_mesh().light_line_style(WHITE).x_desc("seconds").draw()?;

    let bounds = chart.plotting_area().get_y_range();
    let centred = Pos::new(HPos::Center, VPos::Top);
    let label = ("sans-serif", 14).into_font().color(&GREY).pos(centred);
    for span in schedule.spans() {
        let (start, end) = (span.start.as_secs_f64(), span.end.as_secs_f64());
        let edge = [(start, bounds.start), (start, bounds.end)];
        chart.draw_series([PathElement::new(edge, GREY)])?;
        chart.draw_series([Text::new(span.phase.name, ((start + end) / 2.0, bounds.end), &label)])?;
    }
    for line in lines {
        let style = line.style;
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(GREY)
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Tally;

    fn log() -> Log {
        let at = |millis: u64| Duration::from_millis(millis);
        let sample = |n: u64| Sample { at: at(n * 10), took: at(1 + n % 7), ok: n < 3000 };
        Log {
            samples: (0..4000).map(sample).collect(),
            attempts: (0..4000).map(|n| at(n * 10)).collect(),
            tallies: vec![Tally::default(); 7],
        }
    }

    #[test]
    fn rates_are_per_second() {
        let points = sent(&log(), &Schedule::split(40).unwrap());
        assert_eq!(points.len(), 80);
        assert_eq!((points[0], points[79]), ((0.25, 100.0), (39.75, 100.0)));
    }

    #[test]
    fn bins_without_a_figure_are_left_out() {
        let schedule = Schedule::split(40).unwrap();
        let log = Log { samples: log().samples.split_off(3990), ..log() };
        let points = bins(&log, &schedule, success);
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].0, 39.75);
    }
}
