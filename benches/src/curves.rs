//! How throughput follows the number of producers, with a curve for each queue. The curves are collected from
//! contests and written as CSV.

use crate::contest::Outcome;
use crate::settled::Figure;
use crate::stats::Summary;
use std::fmt::Write;

/// One queue at one number of producers.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// How many producers there were.
    pub producers: usize,
    /// Millions of items in a second.
    pub rate: Summary,
    /// Whether both halves of the rounds say the same of that.
    pub settled: bool,
    /// How many rounds that is made from.
    pub rounds: usize,
    /// Items that were sent in all samples.
    pub sent: u64,
    /// How many of those came out wrong.
    pub wrong: u64,
}

/// One queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The queue's name.
    pub name: String,
    /// In the order of the contests.
    pub points: Vec<Point>,
}

impl Curve {
    /// The share of all items that came out wrong.
    #[must_use]
    pub fn share_wrong(&self) -> f64 {
        let sent: u64 = self.points.iter().map(|point| point.sent).sum();
        let wrong: u64 = self.points.iter().map(|point| point.wrong).sum();
        wrong as f64 / sent.max(1) as f64
    }
}

/// The curves of all queues.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves(Vec<Curve>);

impl Curves {
    /// Adds a point to the curve of everyone who took part.
    pub fn enter(&mut self, producers: usize, outcome: &Outcome) {
        for standing in &outcome.standings {
            let index = self.0.iter().position(|curve| curve.name == standing.name).unwrap_or_else(|| {
                self.0.push(Curve { name: standing.name.clone(), points: Vec::new() });
                self.0.len() - 1
            });
            let rates: Vec<f64> = standing.rounds.iter().map(|nanoseconds| 1e3 / nanoseconds).collect();
            self.0[index].points.push(Point {
                producers,
                rate: Summary::of(&rates),
                settled: Figure::median(&rates).settled(),
                rounds: rates.len(),
                sent: standing.sent,
                wrong: standing.wrong,
            });
        }
    }

    /// The curves in the order in which the queues took part.
    #[must_use]
    pub fn all(&self) -> &[Curve] {
        &self.0
    }

    /// A line for each queue at each number of producers; rates in millions of items in a second.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = "queue,producers,rounds,lower_quartile,median,upper_quartile,settled,sent,wrong\n".to_owned();
        for curve in &self.0 {
            let name = curve.name.replace('"', "\"\"");
            for Point { producers, rate, settled, rounds, sent, wrong } in &curve.points {
                let Summary { lower_quartile, median, upper_quartile, .. } = rate;
                let rates = format!("{lower_quartile:.3},{median:.3},{upper_quartile:.3}");
                let settled = if *settled { "yes" } else { "no" };
                writeln!(text, "\"{name}\",{producers},{rounds},{rates},{settled},{sent},{wrong}")
                    .expect("a string takes what is written");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Standing;

    fn outcome(rounds: &[f64], wrong: u64) -> Outcome {
        let standing =
            |name: &str| Standing { name: name.to_owned(), items: 100, rounds: rounds.to_vec(), sent: 400, wrong };
        Outcome {
            name: String::new(),
            standings: vec![standing("ours"), standing("kanal, bounded")],
            verdicts: Vec::new(),
        }
    }

    #[test]
    fn the_csv_has_a_line_for_each_queue_and_number_of_producers() {
        let mut curves = Curves::default();
        curves.enter(1, &outcome(&[10.0, 20.0, 40.0], 0));
        curves.enter(2, &outcome(&[5.0, 5.0], 3));
        assert_eq!(
            curves.csv(),
            "queue,producers,rounds,lower_quartile,median,upper_quartile,settled,sent,wrong\n\
             \"ours\",1,3,37.500,50.000,75.000,no,400,0\n\
             \"ours\",2,2,200.000,200.000,200.000,yes,400,3\n\
             \"kanal, bounded\",1,3,37.500,50.000,75.000,no,400,0\n\
             \"kanal, bounded\",2,2,200.000,200.000,200.000,yes,400,3\n"
        );
    }

    #[test]
    fn the_share_of_wrong_items_is_that_of_the_whole_curve() {
        let mut curves = Curves::default();
        curves.enter(1, &outcome(&[1.0], 0));
        curves.enter(2, &outcome(&[1.0], 4));
        assert_eq!(curves.all()[0].share_wrong(), 0.005);
    }
}
