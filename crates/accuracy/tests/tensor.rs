//! Tensors by sample.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use accuracy::Tensor;

fn three() -> Tensor {
    Tensor::new(vec![3, 2], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap()
}

#[test]
fn samples_are_rows_of_the_first_axis() {
    let tensor = three();
    let sample = tensor.sample(1).unwrap();
    assert_eq!((sample.shape, sample.data), ([2].as_slice(), [2.0, 3.0].as_slice()));
    assert!(tensor.sample(3).is_none() && tensor.sample(usize::MAX).is_none());
    assert!(Tensor::new(vec![], vec![1.0]).unwrap().sample(0).is_none());
}

#[test]
fn selecting_and_stacking_are_inverse() {
    let tensor = three();
    let picked = tensor.select(&[2, 0]).unwrap();
    assert_eq!((picked.shape(), picked.data()), ([2, 2].as_slice(), [4.0, 5.0, 0.0, 1.0].as_slice()));
    let rows: Vec<_> = (0..3).map(|i| tensor.sample(i).unwrap()).collect();
    assert_eq!(Tensor::stack(&rows), Some(tensor.clone()));
    assert_eq!((tensor.select(&[3]), Tensor::stack(&[])), (None, None));
}

#[test]
fn values_must_fill_the_shape() {
    for shape in [vec![2, 2], vec![usize::MAX, 2], vec![]] {
        assert!(Tensor::new(shape, vec![0.0; 6]).is_err());
    }
    let none = Tensor::new(vec![0, usize::MAX, usize::MAX], vec![]).unwrap();
    assert!(none.sample(0).is_none());
}
