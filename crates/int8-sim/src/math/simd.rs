//! Plain loops, compiled once for each instruction set; the machine's best is chosen when the program runs.

use rten_simd::{Isa, SimdOp};

use crate::buffers::Element;

/// Runs `f` compiled for the widest vectors this machine has. Results do not depend on the choice: nothing is reordered and no
/// product is fused with a sum.
#[inline(always)]
pub(crate) fn widest<R>(f: impl FnOnce() -> R) -> R {
    struct Run<F>(F);

    impl<R, F: FnOnce() -> R> SimdOp for Run<F> {
        type Output = R;

        #[inline(always)]
        fn eval<I: Isa>(self, _: I) -> R {
            (self.0)()
        }
    }

    Run(f).dispatch()
}

/// `f` of each element.
#[inline(always)]
pub(crate) fn map<T: Copy, U: Element>(x: &[T], f: impl Fn(T) -> U + Copy) -> Vec<U> {
    let mut out = U::buffer(x.len());
    each(&mut out, x, f);
    out
}

/// `out[i] = f(x[i])`.
#[inline(always)]
pub(crate) fn each<T: Copy, U>(out: &mut [U], x: &[T], f: impl Fn(T) -> U + Copy) {
    widest(
        #[inline(always)]
        move || {
            // A copy of its own, which the compiler knows that no store changes.
            let f = f;
            for (out, &x) in out.iter_mut().zip(x) {
                *out = f(x);
            }
        },
    );
}

/// `x[i] = f(x[i])`.
#[inline(always)]
pub(crate) fn each_in_place<T: Copy>(x: &mut [T], f: impl Fn(T) -> T + Copy) {
    widest(
        #[inline(always)]
        move || {
            let f = f;
            for x in x {
                *x = f(*x);
            }
        },
    );
}

/// `a[i] = f(a[i], b[i])`.
#[inline(always)]
pub(crate) fn pair_in_place<T: Copy>(a: &mut [T], b: &[T], f: impl Fn(T, T) -> T + Copy) {
    widest(
        #[inline(always)]
        move || {
            let f = f;
            for (a, &b) in a.iter_mut().zip(b) {
                *a = f(*a, b);
            }
        },
    );
}

/// `out[i] = f(a[i], b[i])`.
#[inline(always)]
pub(crate) fn both<T: Copy, U>(out: &mut [U], a: &[T], b: &[T], f: impl Fn(T, T) -> U + Copy) {
    widest(
        #[inline(always)]
        move || {
            let f = f;
            for (out, (&a, &b)) in out.iter_mut().zip(a.iter().zip(b)) {
                *out = f(a, b);
            }
        },
    );
}
