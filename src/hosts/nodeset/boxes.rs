//! Points of a grid into boxes: the folding of names with several numbers.
//!
//! Boxes that differ on one axis only are one box. To find them all of one axis takes a sort, so a
//! round over all axes is near-linear. Which axis comes first can matter: the fewest boxes win, then
//! those that take the fewest numbers to write.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Up to so many points all orders of the axes are tried; else two.
const FEW: usize = 2_000;
/// More axes than this are not tried in all orders.
const FEW_AXES: usize = 4;

/// Returns boxes that cover exactly these points, in their order: on each axis the sorted places.
/// `points` has the places of each point, one after the other.
pub(super) fn cover(points: &[u32], axes: usize) -> Vec<Vec<Vec<u32>>> {
    let mut sides = Sides::new(points, axes);
    let mut rows: Vec<&[u32]> = points.chunks(axes).collect();
    rows.sort_unstable();
    rows.dedup();
    let rows = rows.concat();
    let varied: Vec<usize> = (0..axes).filter(|axis| sides.known[*axis].len() > 1).collect();
    let orders = orders(&varied, rows.len() / axes);
    let tried: Vec<_> = orders.iter().map(|order| merged(&rows, axes, order, &mut sides)).collect();
    let side = |axis: usize, id: u32| &sides.known[axis][id as usize];
    let written = |rows: &Vec<u32>| -> usize {
        rows.iter().enumerate().map(|(at, id)| side(at % axes, *id).len()).sum()
    };
    let best = tried.into_iter().min_by_key(|rows| (rows.len(), written(rows))).unwrap_or_default();
    let places = |row: &[u32]| row.iter().enumerate().map(|(axis, id)| side(axis, *id).clone()).collect();
    let mut cover: Vec<Vec<Vec<u32>>> = best.chunks(axes).map(places).collect();
    cover.sort_unstable();
    cover
}

/// The last axis first: its numbers change first where names are in order.
fn orders(varied: &[usize], points: usize) -> Vec<Vec<usize>> {
    let last_first: Vec<usize> = varied.iter().rev().copied().collect();
    if varied.len() < 2 {
        return vec![last_first];
    }
    if points > FEW || varied.len() > FEW_AXES {
        return vec![last_first, varied.to_vec()];
    }
    let mut orders = vec![Vec::new()];
    for _ in varied {
        orders = orders
            .iter()
            .flat_map(|order| {
                let left = last_first.iter().filter(|axis| !order.contains(*axis));
                left.map(|axis| order.iter().copied().chain([*axis]).collect())
            })
            .collect();
    }
    orders
}

/// What boxes cover on each axis, by number.
struct Sides {
    known: Vec<Vec<Vec<u32>>>,
    ids: Vec<HashMap<Vec<u32>, u32>>,
}

impl Sides {
    /// A single place has its own number.
    fn new(points: &[u32], axes: usize) -> Self {
        let count = |axis| points.iter().skip(axis).step_by(axes).max().map_or(0, |last| last + 1);
        let known = (0..axes).map(|axis| (0..count(axis)).map(|place| vec![place]).collect()).collect();
        Self { known, ids: vec![HashMap::new(); axes] }
    }

    fn union(&mut self, axis: usize, ids: impl Iterator<Item = u32>) -> u32 {
        let known = &mut self.known[axis];
        let mut places: Vec<u32> = ids.flat_map(|id| known[id as usize].iter().copied()).collect();
        places.sort_unstable();
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        *self.ids[axis].entry(places).or_insert_with_key(|places| {
            known.push(places.clone());
            next
        })
    }
}

/// Merges along one axis after the other until nothing changes.
fn merged(rows: &[u32], axes: usize, order: &[usize], sides: &mut Sides) -> Vec<u32> {
    let mut rows = rows.to_vec();
    let mut unchanged = 0;
    for axis in order.iter().cycle() {
        let before = rows.len();
        rows = merge(&rows, axes, *axis, sides);
        unchanged = if rows.len() == before { unchanged + 1 } else { 0 };
        if unchanged >= order.len() {
            break;
        }
    }
    rows
}

/// Merges all boxes that differ on `axis` only.
fn merge(rows: &[u32], axes: usize, axis: usize, sides: &mut Sides) -> Vec<u32> {
    let elsewhere = |one: &&[u32], other: &&[u32]| -> Ordering {
        one[..axis].cmp(&other[..axis]).then_with(|| one[axis + 1..].cmp(&other[axis + 1..]))
    };
    let mut boxes: Vec<&[u32]> = rows.chunks(axes).collect();
    boxes.sort_unstable_by(elsewhere);
    let mut merged = Vec::with_capacity(rows.len());
    for alike in boxes.chunk_by(|one, other| elsewhere(one, other).is_eq()) {
        let at = merged.len();
        merged.extend_from_slice(alike[0]);
        if alike.len() > 1 {
            merged[at + axis] = sides.union(axis, alike.iter().map(|row| row[axis]));
        }
    }
    merged
}
