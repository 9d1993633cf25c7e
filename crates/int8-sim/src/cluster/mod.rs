//! A cluster as NNAdapter holds it: conversion from Paddle's ops, the driver's passes, and the kernels that come out.

mod converter;
mod model;
mod passes;

pub(crate) use converter::Converter;
pub(crate) use model::{Model, OperandId, Operation};
pub(crate) use passes::optimize;
