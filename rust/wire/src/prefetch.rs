//! Asking for memory before it is needed. Not of the wire, but every floor above may use it, and it needs none.
//!
//! After a pause of some milliseconds the caches of a small or shared machine are empty: each line that is touched then costs
//! a whole access to memory (110–140 ns), one after another. What is asked for ahead comes at the same time. A request is a
//! hint: it waits for nothing, may come to nothing, and reads nothing.

use std::slice::from_ref;

use prefetch_index::prefetch_index;

/// Bytes that come together, on the processors that we know.
const LINE: usize = 64;

/// Asks for the line in which `value` begins.
#[inline]
pub fn line<T>(value: &T) {
    prefetch_index(from_ref(value), 0);
}

/// Asks for the line in which the item at `index` begins.
#[inline]
pub fn item<T>(items: &[T], index: usize) {
    prefetch_index(items, index);
}

/// Asks for all lines of the `len` bytes from `first` on: of a structure that begins with it.
#[inline]
pub fn lines(first: &u64, len: usize) {
    for line in 0..len.div_ceil(LINE) {
        prefetch_index(from_ref(first), line * (LINE / size_of::<u64>()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_so_nothing_can_be_out_of_bounds() {
        let items = [1_u64, 2, 3];
        line(&items);
        item(&items, 1000);
        item::<u64>(&[], 0);
        lines(&items[0], 1 << 20);
    }
}
