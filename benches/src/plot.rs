//! Pictures: bars for ratios, lines for what grows.

use plotters::prelude::*;

/// A line of a chart, or one bar of each row.
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points; for bars, the row's number and the ratio.
    pub points: Vec<(f64, f64)>,
}

/// Colours that stay apart for the colour-blind, and in print.
const COLOURS: [RGBColor; 9] = [
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x80, 0x60, 0x40),
    RGBColor(0x99, 0x99, 0x99),
    RGBColor(0x00, 0x00, 0x00),
];

/// Text is drawn by whoever looks at the picture.
const FONT: &str = "sans-serif";

/// Both axes logarithmic, one line a series.
pub fn lines(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> String {
    let mut svg = String::new();
    draw_lines(&mut svg, title, (x_label, y_label), series).expect("a string takes any picture");
    svg
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw_lines<'a>(
    svg: &'a mut String,
    title: &str,
    (x_label, y_label): (&str, &str),
    series: &[Series],
) -> Drawn<'a> {
    let (x, y) = (
        range(series, |point| point.0),
        range(series, |point| point.1),
    );
    let area = SVGBackend::with_string(svg, (760, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((x.0..x.1).log_scale(), (y.0 * 0.8..y.1 * 1.25).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_desc(y_label)
        .x_label_formatter(&|value| count(*value))
        .y_label_formatter(&|value| count(*value))
        .light_line_style(WHITE)
        .draw()?;
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(series.points.iter().copied(), style))?
            .label(&series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        let dots = series
            .points
            .iter()
            .map(|&at| Circle::new(at, 3, colour.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 13))
        .draw()?;
    area.present()
}

/// A row of the bar chart.
pub struct BarRow {
    /// What the row measures.
    pub label: String,
    /// The ratio of each series, in the order of the legend.
    pub ratios: Vec<Option<f64>>,
    /// The ratio that is good enough.
    pub reach: Option<f64>,
}

/// Horizontal bars on a logarithmic axis: a group a row, a colour a series, a tick at each row's
/// target.
pub fn bars(title: &str, names: &[&str], rows: &[BarRow]) -> String {
    let mut svg = String::new();
    draw_bars(&mut svg, title, names, rows).expect("a string takes any picture");
    svg
}

fn draw_bars<'a>(svg: &'a mut String, title: &str, names: &[&str], rows: &[BarRow]) -> Drawn<'a> {
    let group = 8 * names.len() as u32 + 10;
    let height = 110 + group * rows.len() as u32;
    let all = rows
        .iter()
        .flat_map(|row| row.ratios.iter().flatten().copied());
    let (least, most) = all.fold((0.1_f64, 10.0_f64), |(least, most), ratio| {
        (least.min(ratio), most.max(ratio))
    });
    let area = SVGBackend::with_string(svg, (900, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(190)
        .build_cartesian_2d(
            (least * 0.8..most * 1.25).log_scale(),
            0.0..rows.len() as f64,
        )?;
    // The first row stands at the top.
    let label = |value: f64| {
        rows.iter()
            .rev()
            .nth(value as usize)
            .map_or("", |row| &row.label)
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .light_line_style(WHITE)
        .x_desc("CPU time against the row's yardstick; the line at 1 is the yardstick, a black tick the target")
        .x_label_formatter(&|value| count(*value))
        .draw()?;
    let bar = 0.86 / names.len() as f64;
    for (index, (name, colour)) in names.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let shapes = rows.iter().rev().enumerate().filter_map(|(at, row)| {
            let ratio = row.ratios[index]?;
            let top = at as f64 + 0.93 - bar * index as f64;
            Some(Rectangle::new(
                [(1.0, top), (ratio, top - bar * 0.85)],
                colour.filled(),
            ))
        });
        let style = colour.filled();
        chart
            .draw_series(shapes)?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], style));
    }
    let targets = rows.iter().rev().enumerate().filter_map(|(at, row)| {
        let (reach, at) = (row.reach?, at as f64);
        Some(PathElement::new(
            [(reach, at + 0.93 - bar), (reach, at + 0.93)],
            BLACK.stroke_width(3),
        ))
    });
    chart.draw_series(targets)?;
    chart.draw_series([PathElement::new(
        [(1.0, 0.0), (1.0, rows.len() as f64)],
        BLACK.mix(0.6).stroke_width(1),
    )])?;
    let plotting = chart.plotting_area();
    for at in 0..rows.len() {
        let (x, y) = plotting.map_coordinate(&(least * 0.8, at as f64 + 0.5));
        let text = Text::new(label(at as f64).to_owned(), (x - 180, y - 7), (FONT, 13));
        area.draw(&text)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 13))
        .draw()?;
    area.present()
}

fn range(series: &[Series], of: fn(&(f64, f64)) -> f64) -> (f64, f64) {
    let all = series
        .iter()
        .flat_map(|series| series.points.iter().map(of));
    let (least, most) = all.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    // Of nothing, or of one value, a range is made up.
    if least < most {
        (least, most)
    } else {
        (1.0, 10.0)
    }
}

/// `10^6` is easier to read than `1000000`.
fn count(value: f64) -> String {
    let power = value.log10();
    if value >= 10_000.0 && (power - power.round()).abs() < 1e-9 {
        format!("10^{power:.0}")
    } else if value >= 1.0 {
        format!("{value:.0}")
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_names_its_series_and_rows() {
        let series = Series {
            name: "ours".to_owned(),
            points: vec![(100.0, 5.0), (1e6, 7.0)],
        };
        let svg = lines("live blocks", "blocks", "ns", &[series]);
        assert!(svg.contains("ours") && svg.contains("live blocks"));
        let row = BarRow {
            label: "pair, 64 B".to_owned(),
            ratios: vec![Some(1.1), None],
            reach: Some(1.15),
        };
        let svg = bars("ratios", &["ours", "glibc"], &[row]);
        assert!(svg.contains("pair, 64 B") && svg.contains("glibc"));
    }

    #[test]
    fn large_powers_of_ten_are_written_as_such() {
        assert_eq!(count(1e6), "10^6");
        assert_eq!(count(64.0), "64");
        assert_eq!(count(0.1), "0.1");
    }
}
