//! What `prior_box` and `density_prior_box` compute: anchors for every place of a feature map, in units of the image.

use super::fold::element_count;
use crate::{
    Attr,
    lite::{desc::OpDesc, scope::Scope},
};

/// Sizes [height, width, priors, 4], boxes as left, top, right, bottom, and the variances beside each.
type Priors = (Vec<i64>, Vec<f32>, Vec<f32>);

/// The image and the feature map, from the sizes that the program states.
struct Place {
    width: i64,
    height: i64,
    image_width: f32,
    image_height: f32,
    step_width: f32,
    step_height: f32,
    offset: f32,
}

/// None where the program does not state the sizes of the image and the feature map.
pub(super) fn compute(desc: &OpDesc, scope: &Scope) -> Result<Option<Priors>, String> {
    let Some(place) = place(desc, scope)? else { return Ok(None) };
    let shapes = if desc.op_type == "prior_box" { shapes(desc)? } else { density_shapes(desc, &place)? };
    let priors = shapes.len();
    let dims = vec![place.height, place.width, priors as i64, 4];
    element_count(&[place.height, place.width, priors.max(1) as i64, 4])?;
    let variances = floats(desc, "variances");
    let variances: &[f32; 4] = variances.try_into().map_err(|_| "its `variances` are not four")?;
    let clip = desc.op_type == "density_prior_box" || flag(desc, "clip", true);
    let mut boxes = Vec::new();
    for row in 0..place.height {
        for column in 0..place.width {
            let x = (column as f32 + place.offset) * place.step_width;
            let y = (row as f32 + place.offset) * place.step_height;
            for shape in &shapes {
                let (x, y) = (x + shape.dx, y + shape.dy);
                boxes.push((x - shape.width / 2.0) / place.image_width);
                boxes.push((y - shape.height / 2.0) / place.image_height);
                boxes.push((x + shape.width / 2.0) / place.image_width);
                boxes.push((y + shape.height / 2.0) / place.image_height);
            }
        }
    }
    if clip {
        for edge in &mut boxes {
            *edge = edge.clamp(0.0, 1.0);
        }
    }
    let variances = variances.repeat(boxes.len() / 4);
    Ok(Some((dims, boxes, variances)))
}

/// A box around a place of the feature map, in pixels of the image.
struct Shape {
    width: f32,
    height: f32,
    dx: f32,
    dy: f32,
}

impl Shape {
    fn centred(width: f32, height: f32) -> Self {
        Self { width, height, dx: 0.0, dy: 0.0 }
    }
}

/// For each smallest size: its square, the other aspect ratios, and the square between it and the largest size.
fn shapes(desc: &OpDesc) -> Result<Vec<Shape>, String> {
    let (min_sizes, max_sizes) = (floats(desc, "min_sizes"), floats(desc, "max_sizes"));
    if !max_sizes.is_empty() && max_sizes.len() != min_sizes.len() {
        return Err(format!("it has {} `min_sizes` and {} `max_sizes`", min_sizes.len(), max_sizes.len()));
    }
    let ratios = aspect_ratios(desc);
    let squares_first = flag(desc, "min_max_aspect_ratios_order", false);
    let mut shapes = Vec::new();
    for (i, min_size) in min_sizes.iter().map(|size| size.trunc()).enumerate() {
        let largest = max_sizes.get(i).map(|max_size| (min_size * max_size.trunc()).sqrt());
        let largest = largest.map(|size| Shape::centred(size, size));
        let others = ratios.iter().map(|ratio| Shape::centred(min_size * ratio.sqrt(), min_size / ratio.sqrt()));
        shapes.push(Shape::centred(min_size, min_size));
        if squares_first {
            shapes.extend(largest);
            shapes.extend(others);
        } else {
            shapes.extend(others);
            shapes.extend(largest);
        }
    }
    Ok(shapes)
}

/// The distinct aspect ratios but 1, each with its inverse unless `flip` is off.
fn aspect_ratios(desc: &OpDesc) -> Vec<f32> {
    let mut ratios = vec![1.0_f32];
    for &ratio in floats(desc, "aspect_ratios") {
        if ratios.iter().all(|known| (ratio - known).abs() >= 1e-6) {
            ratios.push(ratio);
            if flag(desc, "flip", true) {
                ratios.push(1.0 / ratio);
            }
        }
    }
    ratios.retain(|ratio| (ratio - 1.0).abs() >= 1e-6);
    ratios
}

/// For each fixed size and ratio a square of `density` times `density` centres.
fn density_shapes(desc: &OpDesc, place: &Place) -> Result<Vec<Shape>, String> {
    let (sizes, ratios) = (floats(desc, "fixed_sizes"), floats(desc, "fixed_ratios"));
    let densities = desc.attrs.get("densities").or_else(|| desc.attrs.get("density_sizes"));
    let densities = densities.and_then(Attr::as_ints).unwrap_or_default();
    let usual = !ratios.is_empty() && densities.len() == sizes.len() && densities.iter().all(|d| (1..=64).contains(d));
    if !usual {
        return Err("its fixed sizes, ratios and densities are of a form that is not supported".to_owned());
    }
    let average = ((place.step_width + place.step_height) * 0.5).trunc();
    let mut shapes = Vec::new();
    for (&size, &density) in sizes.iter().zip(&densities) {
        let shift = (average / density as f32).trunc();
        let at = |i: i64| -average / 2.0 + shift / 2.0 + i as f32 * shift;
        for ratio in ratios {
            for (dy, dx) in (0..density).flat_map(|row| (0..density).map(move |column| (row, column))) {
                let (width, height) = (size * ratio.sqrt(), size / ratio.sqrt());
                shapes.push(Shape { width, height, dx: at(dx), dy: at(dy) });
            }
        }
    }
    Ok(shapes)
}

fn place(desc: &OpDesc, scope: &Scope) -> Result<Option<Place>, String> {
    let sizes = |argument: &str| {
        let name = desc.inputs.get(argument).and_then(|names| names.first());
        let name = name.ok_or_else(|| format!("it has no input `{argument}`"))?;
        match scope.get(name).map(|value| &value.dims[..]) {
            Some(&[_, _, height, width]) => Ok((height, width)),
            _ => Err(format!("its input `{name}` has not four dimensions")),
        }
    };
    let (height, width) = sizes("Input")?;
    let (image_height, image_width) = sizes("Image")?;
    if height < 0 || width < 0 || image_height < 0 || image_width < 0 {
        return Ok(None);
    }
    let number = |name: &str| desc.attrs.get(name).and_then(Attr::as_float);
    let (image_height, image_width) = (image_height as f32, image_width as f32);
    let (step_height, step_width) = match (number("step_h").unwrap_or(0.0), number("step_w").unwrap_or(0.0)) {
        (given_height, given_width) if given_height != 0.0 && given_width != 0.0 => (given_height, given_width),
        _ => (image_height / height as f32, image_width / width as f32),
    };
    let offset = number("offset").unwrap_or(0.5);
    Ok(Some(Place { width, height, image_width, image_height, step_width, step_height, offset }))
}

fn floats<'a>(desc: &'a OpDesc, name: &str) -> &'a [f32] {
    desc.attrs.get(name).and_then(Attr::as_floats).unwrap_or_default()
}

fn flag(desc: &OpDesc, name: &str, default: bool) -> bool {
    desc.attrs.get(name).and_then(Attr::as_bool).unwrap_or(default)
}
