//! What a wrong data description says, and what a right one means.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{fs, path::Path};

use accuracy::{Prediction, Truth};
use dataset::{Array, Dataset, Tensor, Values, write_npy};
use proptest::prelude::*;

fn arrays(dir: &Path) {
    let write =
        |name: &str, shape: &[usize], values| write_npy(&dir.join(name), &Array::new(shape.to_vec(), values).unwrap());
    write("x.npy", &[2, 1, 2, 3], Values::U8((0..12).map(|i| i * 20).collect())).unwrap();
    write("nchw.npy", &[2, 3, 1, 2], Values::F32((0..12u8).map(f32::from).collect())).unwrap();
    write("flat.npy", &[2, 4], Values::F32(vec![1.0; 8])).unwrap();
    write("y.npy", &[2], Values::I64(vec![0, 2])).unwrap();
    write("three.npy", &[3], Values::I64(vec![0, 1, 2])).unwrap();
    write("negative.npy", &[2], Values::I64(vec![0, -2])).unwrap();
    write("half.npy", &[2], Values::F32(vec![0.0, 0.5])).unwrap();
    write("masks.npy", &[2, 1, 2], Values::U8(vec![0, 1, 255, 2])).unwrap();
    write(
        "boxes.npy",
        &[2, 2, 5],
        Values::F32([[0.0, 0.0, 4.0, 4.0, 1.0], [-1.0; 5], [0.0; 5], [1.0, 1.0, 2.0, 2.0, 0.0]].concat()),
    )
    .unwrap();
    write("bad_boxes.npy", &[2, 1, 5], Values::F32([[0.0, 0.0, 4.0, 4.0, 1.0], [5.0, 0.0, 4.0, 4.0, 1.0]].concat()))
        .unwrap();
}

fn load(dir: &Path, text: &str) -> Result<Dataset, String> {
    fs::write(dir.join("data.toml"), text).unwrap();
    Dataset::load(dir).map_err(|e| e.to_string().replace(&dir.display().to_string(), "DIR"))
}

#[test]
fn mean_and_deviation_may_be_one_number_or_one_a_channel() {
    let dir = tempfile::tempdir().unwrap();
    arrays(dir.path());
    let batch = |mean: &str| {
        let text = format!("task = \"raw\"\n[[inputs]]\nfile = \"x.npy\"\nmean = {mean}\nstd = 0.5\n");
        load(dir.path(), &text).map(|data| data.batch(0..2).unwrap()[0].data().to_vec())
    };
    let expected = batch("[0.5, 0.5, 0.5]").unwrap();
    assert_eq!(batch("0.5").unwrap(), expected);
    assert_eq!(batch("[0.5]").unwrap(), expected);
    assert!(batch("[0.5, 0.5]").unwrap_err().contains("it has 2 values, expected 1 or 3"));
}

#[test]
fn named_inputs_go_where_the_model_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    arrays(dir.path());
    let named = |first: &str, second: &str| {
        format!("task = \"raw\"\n[[inputs]]\nfile = \"flat.npy\"\n{first}\n[[inputs]]\nfile = \"x.npy\"\n{second}\n")
    };
    let ordered = |text: &str| {
        let data = load(dir.path(), text)?.in_order_of(&["image".into(), "shape".into()]);
        data.map(|data| data.inputs().iter().map(|input| input.shape().len()).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    };
    assert_eq!(ordered(&named("name = \"shape\"", "name = \"image\"")).unwrap(), [3, 1]);
    assert_eq!(ordered(&named("", "")).unwrap(), [1, 3]);
    assert!(ordered(&named("name = \"shape\"", "")).unwrap_err().contains("name this one too"));
    let unknown = ordered(&named("name = \"shape\"", "name = \"img\"")).unwrap_err();
    assert!(unknown.contains("`img` is no input of the model; it has `image`, `shape`"), "{unknown}");
}

fn image(path: &Path, width: u32, height: u32, value: u8) {
    image::RgbImage::from_pixel(width, height, image::Rgb([value, 0, 255])).save(path).unwrap();
}

#[test]
fn images_are_read_by_name_as_rgb_and_resized() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("val");
    fs::create_dir(&folder).unwrap();
    let text = |size: &str| format!("task = \"raw\"\n[[inputs]]\nimages = \"val\"\n{size}");
    assert!(load(dir.path(), &text("")).unwrap_err().contains("find images in DIR/val"));

    image(&folder.join("b.png"), 4, 2, 51);
    image(&folder.join("a.BMP"), 8, 4, 102);
    fs::write(folder.join("notes.txt"), "no image").unwrap();
    let data = load(dir.path(), &text("size = [2, 4]")).unwrap();
    let batch = data.batch(0..2).unwrap();
    assert_eq!(batch[0].shape(), [2, 3, 2, 4]);
    assert_eq!(batch[0].data()[..8], [0.4; 8], "a.BMP, red");
    assert_eq!(batch[0].data()[24..32], [0.2; 8], "b.png, red");
    assert_eq!(batch[0].data()[40..48], [1.0; 8], "b.png, blue");
    let names: Vec<_> = data.files().iter().map(|file| file.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["data.toml", "a.BMP", "b.png"]);

    let unequal = load(dir.path(), &text("")).unwrap_err();
    assert!(unequal.contains("b.png: it is 2 high and 4 wide") && unequal.contains("set `size"), "{unequal}");
    fs::write(folder.join("c.jpg"), b"\xff\xd8 cut off").unwrap();
    assert!(load(dir.path(), &text("size = [2, 4]")).unwrap_err().contains("read the image DIR/val/c.jpg"));
    let both = load(dir.path(), "task = \"raw\"\n[[inputs]]\nimages = \"val\"\nfile = \"x.npy\"\n").unwrap_err();
    assert!(both.contains("give either `file`, an array, or `images`, a folder"), "{both}");
}

#[test]
fn a_wrong_description_says_where_and_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    arrays(dir.path());
    let x = "[[inputs]]\nfile = \"x.npy\"\n";
    for (text, expected) in [
        (
            "task = \"classification\"\ninputs = []".into(),
            "use `inputs` of the data description DIR/data.toml: expected at least one table `[[inputs]]`",
        ),
        (
            format!("task = \"guess\"\n{x}"),
            "unknown variant `guess`, expected one of `classification`, `segmentation`, `detection`, `raw`",
        ),
        (format!("task = \"raw\"\n{x}colour = 1\n"), "unknown field `colour`"),
        (
            format!("task = \"raw\"\nsamples = 3\n{x}"),
            "use `samples` of the data description DIR/data.toml: 3 is not among 1 to 2, which the files hold",
        ),
        ("task = \"raw\"\n[[inputs]]\nfile = \"absent.npy\"\n".into(), "read DIR/absent.npy: No such file"),
        (
            "task = \"raw\"\n[[inputs]]\nfile = \"flat.npy\"\nlayout = \"NHWC\"\n".into(),
            "use DIR/flat.npy as model input: its shape is [2, 4], expected [samples, height, width, channels] for layout NHWC",
        ),
        (
            format!("task = \"raw\"\n{x}mean = [1, 2]\n"),
            "use `inputs[0].mean` of the data description DIR/data.toml: it has 2 values, expected 1 or 3",
        ),
        (
            format!("task = \"raw\"\n{x}std = [0]\n"),
            "use `inputs[0].std` of the data description DIR/data.toml: values are divided by it, it must not be 0",
        ),
        (
            format!("task = \"raw\"\n{x}scale = \"1/0\"\n"),
            "use `inputs[0].scale` of the data description DIR/data.toml: `1/0` is not a number or a fraction such as 1/255",
        ),
        (
            format!("task = \"classification\"\n{x}[labels]\nfile = \"three.npy\"\n"),
            "use `labels.file` of the data description DIR/data.toml: it holds 3 samples, the first input holds 2",
        ),
        (
            format!("task = \"classification\"\n{x}[labels]\nfile = \"masks.npy\"\n"),
            "use DIR/masks.npy as labels: its shape is [2, 1, 2], expected [samples] of classes",
        ),
        (
            format!("task = \"classification\"\n{x}[labels]\nfile = \"negative.npy\"\n"),
            "use DIR/negative.npy as labels: sample 1 holds -2, expected a class: a whole number from 0",
        ),
        (
            format!("task = \"classification\"\n{x}[labels]\nfile = \"half.npy\"\n"),
            "use DIR/half.npy as labels: sample 1 holds 0.5, expected a class: a whole number from 0",
        ),
        (
            format!("task = \"detection\"\n{x}[labels]\nfile = \"y.npy\"\n"),
            "use DIR/y.npy as labels: its shape is [2], expected [samples, rows, 5] of x1, y1, x2, y2, class",
        ),
        (
            format!("task = \"detection\"\n{x}[labels]\nfile = \"bad_boxes.npy\"\n"),
            "use DIR/bad_boxes.npy as boxes: sample 1 holds [5.0, 0.0, 4.0, 4.0, 1.0], expected x1 <= x2, y1 <= y2 and a whole class, or a row of -1 as padding",
        ),
        (
            format!("task = \"raw\"\n{x}[labels]\nfile = \"y.npy\"\n"),
            "use `labels` of the data description DIR/data.toml: the task `raw` takes none; name the task",
        ),
        (
            format!("task = \"detection\"\n{x}[decode]\nmethod = \"argmax\"\n"),
            "use `decode.method` of the data description DIR/data.toml: it does not suit the task detection",
        ),
        (format!("task = \"classification\"\n{x}[decode]\nmethod = \"argmax\"\naxes = 1\n"), "unknown field `axes`"),
        (
            format!("task = \"classification\"\n{x}[decode]\nmethod = \"argmax\"\naxis = 0\n"),
            "use `decode.axis` of the data description DIR/data.toml: axis 0 counts samples; classes start at axis 1",
        ),
        (
            format!("task = \"detection\"\n{x}[decode]\nmethod = \"grid_ltrb\"\nimage = [64, 64]\nstrides = [0]\n"),
            "use `decode.strides` of the data description DIR/data.toml: expected at least one stride, each at least 1 pixel",
        ),
        (
            format!("task = \"raw\"\n{x}[accept]\nthreshold = 1\nmax_drop = 1\n"),
            "use `accept` of the data description DIR/data.toml: `threshold` and `max_drop` exclude each other",
        ),
        (
            format!("task = \"raw\"\n{x}[accept]\nmax_drop = \"much\"\n"),
            "read `much` as a drop: expected a number such as 0.01 or 1%, not negative",
        ),
        (format!("task = \"raw\"\n{x}[accept]\nmetric = \"best\"\n"), "find a metric named `best`; known are topK"),
    ] {
        let error = load(dir.path(), &text).expect_err(&text);
        assert!(error.contains(expected), "{text}\ngives {error}\nnot {expected}");
    }
}

#[test]
fn a_toml_error_names_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let error = load(dir.path(), "task = \"raw\"\nsamples = many\n").unwrap_err();
    assert!(error.starts_with("read the data description DIR/data.toml: ") && error.contains("line 2"), "{error}");
}

#[test]
fn layout_channel_order_scale_mean_and_std_do_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    arrays(dir.path());
    // x.npy, sample 0: pixels (0, 20, 40) and (60, 80, 100).
    for (keys, expected) in [
        ("file = \"x.npy\"\nscale = 1\n", [0.0, 60.0, 20.0, 80.0, 40.0, 100.0]),
        ("file = \"x.npy\"\nscale = \"1/20\"\nreverse_channels = true\n", [2.0, 5.0, 1.0, 4.0, 0.0, 3.0]),
        ("file = \"x.npy\"\nscale = \"1/20\"\nmean = [1, 2, 3]\nstd = [2]\n", [-0.5, 1.0, -0.5, 1.0, -0.5, 1.0]),
        ("file = \"nchw.npy\"\n", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        ("file = \"nchw.npy\"\nreverse_channels = true\nscale = 0.5\n", [2.0, 2.5, 1.0, 1.5, 0.0, 0.5]),
    ] {
        let data = load(dir.path(), &format!("task = \"raw\"\n[[inputs]]\n{keys}")).unwrap();
        let batch = data.batch(0..1).unwrap();
        assert_eq!((batch[0].shape(), batch[0].data()), ([1, 3, 1, 2].as_slice(), expected.as_slice()), "{keys}");
    }
    let data = load(
        dir.path(),
        "task = \"raw\"\n[[inputs]]\nfile = \"x.npy\"\n[[inputs]]\nname = \"size\"\nfile = \"flat.npy\"\n",
    )
    .unwrap();
    let batch = data.batch(0..2).unwrap();
    assert_eq!((batch[1].shape(), data.inputs()[1].name()), ([2, 4].as_slice(), Some("size")));
    assert_eq!(batch[0].data()[1], 60.0 / 255.0);
    assert!(data.batch(1..3).is_err());
}

#[test]
fn samples_limits_and_selects() {
    let dir = tempfile::tempdir().unwrap();
    arrays(dir.path());
    let text = "task = \"classification\"\nsamples = 1\n[[inputs]]\nfile = \"x.npy\"\n[labels]\nfile = \"y.npy\"\n";
    let data = load(dir.path(), text).unwrap();
    assert_eq!((data.len(), data.truth(1)), (1, None));
    assert_eq!(data.files(), ["data.toml", "x.npy", "y.npy"].map(|name| dir.path().join(name)));
    let data = load(dir.path(), &text.replace("samples = 1", "")).unwrap();
    let last = data.select(&[1]).unwrap();
    assert_eq!(last.truth(0), Some(&Truth::Classes(vec![2])));
    assert_eq!(last.batch(0..1).unwrap()[0], data.batch(1..2).unwrap()[0]);
    assert!(data.select(&[2]).is_err() && data.select(&[]).is_err());
}

#[test]
fn ignored_pixels_and_padding_rows_are_no_labels() {
    let dir = tempfile::tempdir().unwrap();
    arrays(dir.path());
    let x = "[[inputs]]\nfile = \"x.npy\"\n[labels]\n";
    let masks = load(dir.path(), &format!("task = \"segmentation\"\n{x}file = \"masks.npy\"\nignore = 255\n")).unwrap();
    assert_eq!(masks.truth(1), Some(&Truth::Classes(vec![accuracy::IGNORED, 2])));
    let boxes = load(dir.path(), &format!("task = \"detection\"\n{x}file = \"boxes.npy\"\n")).unwrap();
    let count = |i| matches!(boxes.truth(i), Some(Truth::Boxes(boxes)) if boxes.len() == 1);
    assert!(count(0) && count(1));
}

#[test]
fn decoders_give_classes_and_boxes() {
    let dir = tempfile::tempdir().unwrap();
    arrays(dir.path());
    let decode = |task: &str, decode: &str, outputs: &[(&[usize], &[f32])]| {
        let data = load(dir.path(), &format!("task = \"{task}\"\n[[inputs]]\nfile = \"x.npy\"\n{decode}")).unwrap();
        let outputs: Vec<Tensor> =
            outputs.iter().map(|(shape, values)| Tensor::new(shape.to_vec(), values.to_vec()).unwrap()).collect();
        data.decode(&outputs).map(|predictions| predictions.unwrap().remove(0)).map_err(|e| e.to_string())
    };
    let classes = |depth, ranked: &[u32]| Ok(Prediction::Classes { depth, ranked: ranked.to_vec() });
    let scores = [0.1, 0.7, 0.2, 0.9, 0.3, 0.5];
    assert_eq!(decode("classification", "", &[(&[1, 6], &scores)]), classes(6, &[3, 1, 5, 4, 2, 0]));
    assert_eq!(decode("classification", "", &[(&[1, 6, 1, 1], &scores)]), classes(6, &[3, 1, 5, 4, 2, 0]));
    assert_eq!(decode("segmentation", "", &[(&[1, 2, 1, 3], &scores)]), classes(1, &[1, 0, 1]));
    let last = "[decode]\nmethod = \"argmax\"\naxis = 3\n";
    assert_eq!(decode("segmentation", last, &[(&[1, 1, 3, 2], &scores)]), classes(1, &[1, 1, 1]));
    let ids = "[decode]\nmethod = \"class_ids\"\n";
    assert_eq!(decode("segmentation", ids, &[(&[1, 1, 3], &[0.0, 2.0, 1.0])]), classes(1, &[0, 2, 1]));
    assert!(decode("segmentation", ids, &[(&[1, 1, 2], &[0.0, 0.5])]).unwrap_err().contains("whole numbers"));

    let head = "[decode]\nmethod = \"grid_ltrb\"\nimage = [8, 16]\nstrides = [8]\nmin_score = 0.2\n";
    let (found, all) = ([0.1f32, 0.9, 0.2, 0.2], [0.5f32, 0.25, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0]);
    let Ok(Prediction::Boxes(boxes)) = decode("detection", head, &[(&[1, 2, 2], &found), (&[1, 2, 4], &all)]) else {
        panic!("no boxes")
    };
    let [one] = boxes[..] else { panic!("{boxes:?}") };
    let edges = [one.rect.x1, one.rect.y1, one.rect.x2, one.rect.y2];
    assert_eq!((edges, one.class, one.score), ([0.0, 2.0, 8.0, 8.0], 1, 0.9));
    assert_eq!(
        decode("detection", head, &[(&[1, 3, 2], &[0.0; 6]), (&[1, 2, 4], &all)]).unwrap_err(),
        "decode output 0 of shape [3, 2]: expected [2, classes] a sample (2 cells of strides [8])"
    );
    assert_eq!(
        decode("detection", head, &[(&[1, 2, 2], &found)]).unwrap_err(),
        "find output 1: the model has 1 output(s)"
    );
    let nan = decode("classification", "", &[(&[1, 2], &[0.0, f32::NAN])]).unwrap_err();
    assert!(nan.contains("NaN"), "{nan}");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "[ -~\n]{0,120}") {
        let dir = tempfile::tempdir().unwrap();
        prop_assert!(load(dir.path(), &text).is_err());
    }
}
