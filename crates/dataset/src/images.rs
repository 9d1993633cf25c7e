//! A folder of images as one array, as an exporter's evaluation script would have made it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use image::{ImageReader, RgbImage, imageops::FilterType};
use rayon::prelude::*;

use crate::{Array, Error, Values};

const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "bmp"];

/// The images of a folder in the order of their names, as bytes `[images, height, width, 3]` in RGB; each is resized to `size` (height,
/// width; bilinear, averaging where it shrinks). Without a size all must have the same.
pub(crate) fn read_images(folder: &Path, size: Option<[u32; 2]>) -> Result<(Vec<PathBuf>, Array), Error> {
    let listed = fs::read_dir(folder).map_err(|source| Error::Read { path: folder.to_owned(), source })?;
    let is_image = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
    };
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).filter(is_image).collect();
    files.sort_unstable();
    let Some(first) = files.first() else { return Err(Error::NoImages { path: folder.to_owned() }) };
    let [height, width] = match size {
        Some(size) => size,
        None => read(first).map(|image| [image.height(), image.width()])?,
    };
    let resized = files.par_iter().map(|path| {
        let image = read(path)?;
        if (image.height(), image.width()) == (height, width) {
            return Ok(image.into_raw());
        }
        if size.is_none() {
            let found = format!("it is {} high and {} wide", image.height(), image.width());
            let reason =
                format!("{found}, the first image {height} and {width}; set `size = [height, width]` to resize them");
            return Err(Error::Image { path: path.clone(), reason });
        }
        Ok(image::imageops::resize(&image, width, height, FilterType::Triangle).into_raw())
    });
    let bytes = resized.collect::<Result<Vec<Vec<u8>>, Error>>()?.concat();
    let shape = vec![files.len(), height as usize, width as usize, 3];
    let array = Array::new(shape, Values::U8(bytes));
    let array = array.map_err(|source| Error::Npy { path: folder.to_owned(), entry: None, source })?;
    Ok((files, array))
}

fn read(path: &Path) -> Result<RgbImage, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(unreadable)?;
    let decoded = reader.decode();
    let decoded = decoded.map_err(|error| Error::Image { path: path.to_owned(), reason: error.to_string() })?;
    Ok(decoded.into_rgb8())
}
