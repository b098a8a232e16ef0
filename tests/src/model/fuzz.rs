//! What the fuzz targets do with their bytes. The tests run the same on a few random ones.
//!
//! A choice takes one byte where one will do, so that a changed byte changes one thing.

use arbitrary::{Result, Unstructured};

use super::damage::{self, Step};
use super::machine;
use super::operation::{Call, Operation, Pointer, Rare};
use super::shape::{Shape, typical_shapes};

/// Steps in one run at most.
const STEPS_MOST: usize = 500;

/// Any operations on a heap, checked by the model.
///
/// # Panics
/// When heap and model differ.
pub fn operations(bytes: &mut Unstructured<'_>) {
    if let Ok((shape, operations)) = case(bytes, operation) {
        machine::run(&shape, &operations);
    }
}

/// Any damage to a heap, and any calls after it.
///
/// # Panics
/// When the heap hands out what it must not.
pub fn damage(bytes: &mut Unstructured<'_>) {
    if let Ok((shape, steps)) = case(bytes, step) {
        damage::run(&shape, &steps);
    }
}

fn case<T>(
    u: &mut Unstructured<'_>,
    mut one: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<(Shape, Vec<T>)> {
    let shape = u.choose(&typical_shapes())?.clone();
    let mut steps = Vec::new();
    while !u.is_empty() && steps.len() < STEPS_MOST {
        steps.push(one(u)?);
    }
    Ok((shape, steps))
}

fn operation(u: &mut Unstructured<'_>) -> Result<Operation> {
    Ok(match u.int_in_range(0..=31u8)? {
        0..12 => Operation::Allocate {
            flags: flags(u)?,
            size: size(u)?,
            alignment: alignment(u)?,
        },
        12..19 => Operation::Free {
            flags: flags(u)?,
            block: number(u)?,
        },
        19..25 => Operation::Reallocate {
            flags: flags(u)?,
            block: number(u)?,
            size: size(u)?,
        },
        25 => Operation::Ask {
            flags: flags(u)?,
            block: number(u)?,
        },
        26 => Operation::Lock,
        27 => Operation::Unlock,
        28 => Operation::Compact { flags: flags(u)? },
        30 => Operation::Rare(rare(u)?),
        29 => Operation::WrongHandle {
            call: call(u)?,
            handle: pointer(u)?,
        },
        _ => Operation::Misuse {
            call: call(u)?,
            flags: flags(u)?,
            pointer: pointer(u)?,
        },
    })
}

fn rare(u: &mut Unstructured<'_>) -> Result<Rare> {
    Ok(match u.int_in_range(0..=7u8)? {
        0 => Rare::SetValue {
            block: number(u)?,
            value: u.arbitrary()?,
        },
        1 => Rare::SetFlags {
            block: number(u)?,
            reset: flags(u)?,
            set: flags(u)?,
        },
        2 => Rare::AllocateMany {
            flags: flags(u)?,
            size: size(u)?,
            count: u.int_in_range(0..=20)?,
        },
        3 => Rare::FreeMany {
            block: number(u)?,
            count: u.int_in_range(0..=20)?,
        },
        4 => Rare::Zero { flags: flags(u)? },
        5 => Rare::Optimize,
        6 => Rare::AllowFrontEnd,
        _ => Rare::Protect,
    })
}

fn step(u: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match u.int_in_range(0..=11u8)? {
        0..9 => Step::Call(operation(u)?),
        9 => Step::Copy {
            from: number(u)?,
            to: number(u)?,
        },
        _ => Step::Overwrite {
            block: number(u)?,
            distance: distance(u)?,
            bytes: u.arbitrary()?,
            length: u.int_in_range(1..=8)?,
        },
    })
}

fn flags(u: &mut Unstructured<'_>) -> Result<u32> {
    Ok(match u.int_in_range(0..=7u8)? {
        0..5 => 0,
        5 | 6 => u32::from(u.arbitrary::<u8>()?) << u.int_in_range(0..=8)?,
        _ => u.arbitrary()?,
    })
}

fn size(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(match u.int_in_range(0..=15u8)? {
        0..9 => u.arbitrary::<u8>()?.into(),
        9..13 => u.int_in_range(0..=0x1000)?,
        13 => u.arbitrary::<u16>()?.into(),
        14 => u.int_in_range(0..=0x18_0000)?,
        _ => usize::MAX - u.int_in_range(0..=0x3000)?,
    })
}

fn alignment(u: &mut Unstructured<'_>) -> Result<u32> {
    let power = u.int_in_range(0..=31u32)?;
    Ok(if power < 18 { 0 } else { power - 14 })
}

fn number(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(u.arbitrary::<u8>()?.into())
}

fn distance(u: &mut Unstructured<'_>) -> Result<isize> {
    Ok(match u.int_in_range(0..=3u8)? {
        0..3 => u.arbitrary::<i8>()?.into(),
        _ => u.arbitrary::<i16>()?.into(),
    })
}

fn call(u: &mut Unstructured<'_>) -> Result<Call> {
    Ok(match u.int_in_range(0..=3u8)? {
        0 => Call::Free,
        1 => Call::Size,
        2 => Call::Reallocate(size(u)?),
        _ => Call::Validate,
    })
}

fn pointer(u: &mut Unstructured<'_>) -> Result<Pointer> {
    Ok(match u.int_in_range(0..=7u8)? {
        0 => Pointer::Null,
        1 => Pointer::Near {
            block: number(u)?,
            distance: distance(u)?,
        },
        2 => Pointer::Freed(number(u)?),
        3 => Pointer::Foreign(number(u)?),
        4 => Pointer::Stack,
        5 => Pointer::Static,
        6 => Pointer::Heap(u.arbitrary::<u16>()?.into()),
        _ => Pointer::Bits(u.arbitrary()?),
    })
}
