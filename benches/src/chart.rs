//! Draws curves as SVG: throughput on a logarithmic scale over the number of producers. Each line has its
//! label at its end.

use crate::curves::{Curve, Curves};
use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints, LogCoord, WithKeyPoints};
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

const SIZE: (u32, u32) = (1_310, 800);
/// What is left free around the axes. The labels stand on the right.
const TOP: u32 = 52;
const RIGHT: u32 = 424;
const BOTTOM: u32 = 72;
/// From one label to the next.
const LINE: i32 = 24;
pub(crate) const FONT: &str = "sans-serif";

pub(crate) const OURS: [RGBColor; 2] = [RGBColor(208, 28, 40), RGBColor(240, 125, 20)];
pub(crate) const PEERS: [RGBColor; 12] = [
    RGBColor(31, 119, 180),
    RGBColor(0, 160, 180),
    RGBColor(110, 85, 190),
    RGBColor(44, 140, 60),
    RGBColor(140, 86, 75),
    RGBColor(214, 80, 170),
    RGBColor(120, 30, 110),
    RGBColor(150, 150, 20),
    RGBColor(120, 175, 70),
    RGBColor(20, 60, 120),
    RGBColor(200, 150, 60),
    RGBColor(90, 90, 90),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Axes<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, WithKeyPoints<LogCoord<f64>>>>;
type Drawn<T> = Result<T, Box<dyn Error>>;

/// What the chart says beside the curves.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Above the curves.
    pub title: String,
    /// Below them, in one or two lines.
    pub caption: String,
}

/// Draws `curves`. The first `ours` of them stand out, and those that are called unbounded are dashed.
///
/// # Errors
/// When there is no point to draw, or the drawing fails.
pub fn svg(curves: &Curves, ours: usize, words: &Words) -> Drawn<String> {
    let curves = curves.all();
    let mut picture = String::new();
    {
        let root = SVGBackend::with_string(&mut picture, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut axes = draw_axes(&root, curves)?;
        // Ours last, so that they lie on top.
        for (index, curve) in curves.iter().enumerate().rev() {
            draw_curve(&mut axes, curve, &Look::new(index, ours, curve))?;
        }
        draw_labels(&root, &axes, curves, ours)?;
        draw_words(&root, words)?;
        root.present()?;
    }
    Ok(picture)
}

/// How a curve looks.
struct Look {
    color: RGBColor,
    ours: bool,
    dashed: bool,
}

impl Look {
    fn new(index: usize, ours: usize, curve: &Curve) -> Self {
        let ours_too = index < ours;
        let color = if ours_too { OURS[index % OURS.len()] } else { PEERS[(index - ours) % PEERS.len()] };
        Self { color, ours: ours_too, dashed: curve.name.ends_with("unbounded") }
    }
}

fn draw_axes<'a, 'b>(root: &'a Area<'b>, curves: &[Curve]) -> Drawn<Axes<'a, 'b>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let producers = || points().map(|point| point.producers);
    let (first, last) = producers().min().zip(producers().max()).ok_or("there is no point to draw")?;
    let lowest = points().map(|point| point.rate.lower_quartile).fold(f64::MAX, f64::min);
    let highest = points().map(|point| point.rate.upper_quartile).fold(0.0, f64::max);
    let steps = steps(lowest, highest);
    let rates = (steps[0]..steps[steps.len() - 1]).log_scale().with_key_points(steps);

    let mut axes = ChartBuilder::on(root)
        .margin_left(12)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .margin_bottom(BOTTOM)
        .x_label_area_size(50)
        .y_label_area_size(66)
        .build_cartesian_2d(first as f64 - 0.5..last as f64 + 0.5, rates)?;
    axes.configure_mesh()
        .bold_line_style(RGBColor(225, 225, 225))
        .light_line_style(TRANSPARENT)
        .x_labels(24)
        .x_label_formatter(&|count| if count.fract() == 0.0 { format!("{count}") } else { String::new() })
        .y_label_formatter(&|rate| format!("{rate}"))
        .x_desc("producers, a thread each, to 1 consumer")
        .y_desc("million messages per second")
        .label_style((FONT, 18))
        .axis_desc_style((FONT, 20))
        .draw()?;
    Ok(axes)
}

/// The medians as a line, the quartiles as a bar at each of them. The circle of a median that is not settled
/// is hollow.
fn draw_curve(axes: &mut Axes<'_, '_>, curve: &Curve, look: &Look) -> Drawn<()> {
    let line = look.color.stroke_width(if look.ours { 4 } else { 2 });
    let medians = || curve.points.iter().map(|point| (point.producers as f64, point.rate.median));
    if look.dashed {
        axes.draw_series([DashedPathElement::new(medians().collect::<Vec<_>>(), 8, 5, line)])?;
    } else {
        axes.draw_series([PathElement::new(medians().collect::<Vec<_>>(), line)])?;
    }
    axes.draw_series(curve.points.iter().map(|point| {
        let at = |rate| (point.producers as f64, rate);
        PathElement::new(
            vec![at(point.rate.lower_quartile), at(point.rate.upper_quartile)],
            look.color.mix(0.45).stroke_width(2),
        )
    }))?;
    axes.draw_series(curve.points.iter().map(|point| {
        let style = if point.settled { look.color.filled() } else { look.color.stroke_width(2) };
        Circle::new((point.producers as f64, point.rate.median), if look.ours { 5 } else { 3 }, style)
    }))?;
    Ok(())
}

/// The names in a column, in the order of the lines' ends, each with a pointer to its end.
fn draw_labels(root: &Area<'_>, axes: &Axes<'_, '_>, curves: &[Curve], ours: usize) -> Drawn<()> {
    let ends: Vec<(i32, i32)> = curves
        .iter()
        .filter_map(|curve| curve.points.last())
        .map(|point| axes.backend_coord(&(point.producers as f64, point.rate.median)))
        .collect();
    let heights: Vec<i32> = ends.iter().map(|end| end.1).collect();
    let heights = spread(&heights, TOP as i32 + LINE / 2, (SIZE.1 - BOTTOM) as i32 - LINE / 2);
    let column = (SIZE.0 - RIGHT) as i32 + 42;
    for (index, ((curve, end), height)) in curves.iter().zip(ends).zip(heights).enumerate() {
        let look = Look::new(index, ours, curve);
        let pointer = vec![(end.0 + 6, end.1), (column - 24, height), (column - 4, height)];
        root.draw(&PathElement::new(pointer, look.color.mix(0.5)))?;
        let font = (FONT, 18).into_font().style(if look.ours { FontStyle::Bold } else { FontStyle::Normal });
        let style = font.color(&look.color).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw_text(&label(curve), &style, (column, height))?;
    }
    Ok(())
}

fn draw_words(root: &Area<'_>, words: &Words) -> Drawn<()> {
    let style = |size: u32| (FONT, size).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    root.draw_text(&words.title, &style(26), (24, TOP as i32 / 2))?;
    for (line, sentence) in (0..).zip(words.caption.lines()) {
        root.draw_text(sentence, &style(17), (24, (SIZE.1 - BOTTOM) as i32 + 24 + 24 * line))?;
    }
    Ok(())
}

/// The name of a curve, and how much came out wrong if anything did.
fn label(curve: &Curve) -> String {
    match curve.share_wrong() {
        0.0 => curve.name.clone(),
        share => format!("{}: {:.2} % wrong", curve.name, share * 100.0),
    }
}

/// Moves labels apart that stand at `heights`, as little as it takes, between `top` and `bottom`.
fn spread(heights: &[i32], top: i32, bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by_key(|&index| heights[index]);
    let mut places = heights.to_vec();
    let mut free = top;
    for &index in &order {
        places[index] = places[index].max(free);
        free = places[index] + LINE;
    }
    let mut free = bottom;
    for &index in order.iter().rev() {
        places[index] = places[index].min(free);
        free = places[index] - LINE;
    }
    places
}

/// The steps 1, 2, 5, 10, 20, ... from the last at or below `lowest` to the first at or above `highest`; at
/// least two.
fn steps(lowest: f64, highest: f64) -> Vec<f64> {
    let all = (-9..=9).flat_map(|power| [1.0, 2.0, 5.0].map(|step| decimal(step, power)));
    let above = all.clone().filter(|&step| step > lowest);
    let below = all.rev().find(|&step| step <= lowest);
    let mut steps: Vec<f64> = below.into_iter().collect();
    for step in above {
        steps.push(step);
        if step >= highest {
            break;
        }
    }
    steps
}

/// `digit` times ten to the `power`, the nearest number there is.
fn decimal(digit: f64, power: i32) -> f64 {
    if power < 0 { digit / 10_f64.powi(-power) } else { digit * 10_f64.powi(power) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::{Outcome, Standing};

    fn curves(rates: &[(&str, f64, u64)]) -> Curves {
        let mut curves = Curves::default();
        for producers in 1..=3 {
            let standing = |&(name, rate, wrong): &(&str, f64, u64)| Standing {
                name: name.to_owned(),
                rounds: vec![1e3 / rate; 3],
                sent: 100,
                wrong,
                ..Standing::default()
            };
            let standings = rates.iter().map(standing).collect();
            curves.enter(producers, &Outcome { name: String::new(), standings, verdicts: Vec::new() });
        }
        curves
    }

    #[test]
    fn every_curve_is_drawn_and_named_and_wrong_items_are_told() {
        let curves = curves(&[("ours", 80.0, 0), ("peer, unbounded", 70.0, 0), ("leaky", 4.0, 1)]);
        let words = Words { title: "a title".to_owned(), caption: "a machine\na date".to_owned() };
        let picture = svg(&curves, 1, &words).unwrap();
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        for text in ["ours", "peer, unbounded", "leaky: 1.00 % wrong", "a title", "a machine", "a date"] {
            assert!(picture.lines().any(|line| line.trim() == text), "{text}");
        }
        assert_eq!(picture.matches("<circle").count(), 9);
    }

    #[test]
    fn a_median_that_is_not_settled_is_a_hollow_circle() {
        let mut torn = Curves::default();
        let standing = Standing { name: "torn".to_owned(), rounds: vec![10.0, 20.0], ..Standing::default() };
        torn.enter(1, &Outcome { name: String::new(), standings: vec![standing], verdicts: Vec::new() });
        let hollow = |curves: &Curves| {
            let picture = svg(curves, 1, &Words::default()).unwrap();
            picture.lines().filter(|line| line.starts_with("<circle") && line.contains("fill=\"none\"")).count()
        };
        assert_eq!((hollow(&torn), hollow(&curves(&[("steady", 80.0, 0)]))), (1, 0));
    }

    #[test]
    fn a_single_point_can_be_drawn_and_none_cannot() {
        let mut single = Curves::default();
        let standing = Standing { name: "one".to_owned(), rounds: vec![10.0], ..Standing::default() };
        single.enter(4, &Outcome { name: String::new(), standings: vec![standing], verdicts: Vec::new() });
        assert!(svg(&single, 1, &Words::default()).is_ok());
        assert!(svg(&Curves::default(), 1, &Words::default()).is_err());
    }

    #[test]
    fn labels_keep_their_distance_and_their_order() {
        assert_eq!(spread(&[100, 200], 0, 300), [100, 200]);
        assert_eq!(spread(&[100, 90, 101], 0, 300), [114, 90, 138]);
        assert_eq!(spread(&[299, 299], 0, 300), [276, 300]);
        assert_eq!(spread(&[-5], 0, 300), [0]);
    }

    #[test]
    fn the_scale_has_steps_of_one_two_and_five() {
        assert_eq!(steps(3.0, 72.0), [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(steps(0.05, 0.2), [0.05, 0.1, 0.2]);
        assert_eq!(steps(100.0, 100.0), [100.0, 200.0]);
    }
}
