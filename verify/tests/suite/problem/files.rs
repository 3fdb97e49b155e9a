//! Data in files of other programs: arrays of NumPy, and folders of pictures.

use std::path::Path;

use ratecheck_verify::lab::problem::Problem;

/// `numpy.save` of NumPy 2.4.6: [[0.1, -1.5, 3], [4, 5, 6.25]] in `<f4`, in Fortran's order.
const FORTRAN: &str = "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f72646572273a20547275652c20277368\
                       617065273a2028322c2033292c207d20202020202020202020202020202020202020202020202020202020202020202020202020\
                       202020202020202020202020202020202020202020200acdcccc3d000080400000c0bf0000a040000040400000c840";

/// `numpy.savez_compressed` of the same: x, the whole numbers 0..12 as 4 x 3 bytes, and y = ["no", "yes", "yes", "no"].
const ARCHIVE: &str = "504b03042d000000080000002100f62ceb6fffffffffffffffff05001400782e6e7079010010008c00000000000000520000000000\
                       00009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e536aa8aea3a09e965f54529498179f5f94920a12774bcc294e058a17\
                       672416a402f91a263a0ac69a3a0ab50a64032e06462666165636760e4e2e6e00504b03042d000000080000002100a9532793ffff\
                       ffffffffffff05001400792e6e707901001000b00000000000000056000000000000009bec17ea1b10c9c850c650ad9e925a9c5c\
                       a46ea5a06e136aacaea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a9a3a0ab50a1400ae3c06\
                       06867c0608a804e254202e466323ab0100504b01022d032d000000080000002100f62ceb6f520000008c00000005000000000000\
                       0000000000800100000000782e6e7079504b01022d032d000000080000002100a953279356000000b00000000500000000000000\
                       00000000800189000000792e6e7079504b0506000000000200020066000000160100000000";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|k| u8::from_str_radix(&hex[2 * k..2 * k + 2], 16).unwrap()).collect()
}

/// An array of bytes as NumPy writes it, by hand.
fn array(shape: &str, entries: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), entries].concat()
}

fn problem(network: &str, data: &str) -> String {
    format!("[network]\n{network}\nnormalisation = \"smoothed-batch-norm\"\nepsilon = 0.1\n\n[data]\n{data}\n")
}

/// A network of `widths` on the data, whose files are in `here`.
fn read(here: &Path, widths: &str, objective: &str, data: &str) -> Result<Problem, String> {
    let network = format!("widths = {widths}\nobjective = \"{objective}\"");
    let text = problem(&network, data);
    Problem::parse(&text, &here.join("net.toml"))
        .map_err(|error| error.to_string().replace(here.to_str().unwrap(), "HERE"))
}

fn inputs(problem: &Problem) -> (Vec<f64>, Vec<f64>) {
    let data = problem.network.as_ref().unwrap().data();
    (data.inputs().to_vec(), data.labels().to_vec())
}

#[test]
fn arrays_of_numpy_are_data() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    std::fs::write(here.join("x.npy"), bytes(FORTRAN)).unwrap();
    std::fs::write(here.join("y.npy"), array("(2, 1)", &[1, 0])).unwrap();
    std::fs::write(here.join("d.npz"), bytes(ARCHIVE)).unwrap();
    let found =
        read(here, "[3, 2]", "cross-entropy", "kind = \"numpy\"\ninputs = \"x.npy\"\nlabels = \"y.npy\"").unwrap();
    // Feature by feature; what `f4` makes of 0.1 is not what `f8` does.
    assert_eq!(inputs(&found), (vec![f64::from(0.1_f32), 4.0, -1.5, 5.0, 3.0, 6.25], vec![1.0, 0.0]));
    let archive = "kind = \"numpy\"\nfile = \"d.npz\"\ninputs = \"x\"\nlabels = \"y\"";
    let found = read(here, "[3, 1]", "logistic", archive).unwrap();
    let expected: Vec<f64> = (0..3).flat_map(|j| (0..4).map(move |i| f64::from(3 * i + j))).collect();
    assert_eq!(inputs(&found), (expected, vec![-1.0, 1.0, 1.0, -1.0]));
    assert_eq!(found.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["no", "yes"]);
    let other = read(here, "[3, 1]", "logistic", &format!("{archive}\nclasses = [\"yes\", \"no\"]")).unwrap();
    assert_eq!(inputs(&other).1, [1.0, -1.0, -1.0, 1.0]);

    // Some of them, in an order that a seed draws: the same examples with the same labels.
    let some = read(here, "[3, 1]", "logistic", &format!("{archive}\nseed = 5\nexamples = 3")).unwrap();
    let (x, y) = inputs(&some);
    assert_eq!(x.len(), 9);
    for (first, label) in x[..3].iter().zip(&y) {
        assert_eq!(*label, if [0.0, 9.0].contains(first) { -1.0 } else { 1.0 });
    }
}

/// Two images of two rows, three columns and two channels, with the channel in front of the pixels and behind them.
#[test]
fn images_of_numpy_have_their_channels_where_they_are_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    // The entry of image i, channel c, row y and column x.
    let entry = |i: u8, c: u8, y: u8, x: u8| 100 * i + 50 * c + 10 * y + x;
    let all = |order: fn([u8; 3]) -> [u8; 3], sizes: [u8; 3]| -> Vec<u8> {
        let mut bytes = Vec::new();
        for (i, a, b, c) in (0..2).flat_map(|i| {
            (0..sizes[0]).flat_map(move |a| (0..sizes[1]).flat_map(move |b| (0..sizes[2]).map(move |c| (i, a, b, c))))
        }) {
            let [channel, y, x] = order([a, b, c]);
            bytes.push(entry(i, channel, y, x));
        }
        bytes
    };
    let first = array("(2, 2, 2, 3)", &all(|place| place, [2, 2, 3]));
    let last = array("(2, 2, 3, 2)", &all(|[y, x, c]| [c, y, x], [2, 3, 2]));
    std::fs::write(here.join("first.npy"), first).unwrap();
    std::fs::write(here.join("last.npy"), last).unwrap();
    std::fs::write(here.join("y.npy"), array("(2,)", &[0, 1])).unwrap();
    let data = |more: &str, which: &str| {
        format!("kind = \"numpy\"\ninputs = \"{which}.npy\"\nlabels = \"y.npy\"\nchannels = \"{which}\"\n{more}")
    };
    let of = |which: &str| read(here, "[12, 2]", "cross-entropy", &data("", which)).unwrap();
    let (x, _) = inputs(&of("first"));
    assert_eq!(x, inputs(&of("last")).0);
    for (j, pair) in x.chunks(2).enumerate() {
        let (c, y, x) = (j / 6, j / 3 % 2, j % 3);
        assert_eq!(pair, [50 * c + 10 * y + x, 100 + 50 * c + 10 * y + x].map(|n| n as f64));
    }
    // A channel has mean 0 and variance 1 over its pixels and images: six pixels around 6, 50 to either side.
    let scaled = read(here, "[12, 2]", "cross-entropy", &data("standardise = \"channels\"", "last")).unwrap();
    let (x, _) = inputs(&scaled);
    for channel in x.chunks(12) {
        let mean = channel.iter().sum::<f64>() / 12.0;
        let square = channel.iter().map(|x| x * x).sum::<f64>() / 12.0;
        // A dozen roundings of numbers below 2.
        assert!(mean.abs() < 1e-14 && (square - 1.0).abs() < 1e-14, "{mean} {square}");
    }
    let filters = "image = [2, 2, 3]\nobjective = \"cross-entropy\"\nweight-decay = 0.0\n";
    let layers = "[[network.layers]]\nkind = \"filters\"\nfilters = 2\nactivation = \"tanh\"\nnormalisation = \"batch-norm\"\n\
                  [[network.layers]]\nkind = \"dense\"\nunits = 2\nnormalisation = \"none\"\n";
    let text = format!("[network]\n{filters}{layers}\n[data]\n{}\n", data("", "first"));
    assert!(Problem::parse(&text, &here.join("net.toml")).is_ok());
    assert_eq!(
        read(here, "[12, 2]", "cross-entropy", "kind = \"numpy\"\ninputs = \"last.npy\"\nlabels = \"y.npy\"")
            .unwrap_err(),
        "HERE/net.toml:7: data.channels: is missing; the inputs have the shape [2, 2, 3, 2]: say channels = \"first\" for \
         (example, channel, row, column), or \"last\""
    );
}

#[test]
fn arrays_that_make_no_data_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    std::fs::write(here.join("x.npy"), array("(2, 3)", &[1, 2, 3, 4, 5, 7])).unwrap();
    std::fs::write(here.join("y.npy"), array("(2,)", &[0, 1])).unwrap();
    std::fs::write(here.join("three.npy"), array("(3,)", &[0, 1, 1])).unwrap();
    std::fs::write(here.join("line.npy"), array("(2,)", &[0, 7])).unwrap();
    std::fs::write(here.join("d.npz"), bytes(ARCHIVE)).unwrap();
    std::fs::write(here.join("cut.npz"), &bytes(ARCHIVE)[..200]).unwrap();
    std::fs::write(here.join("text.npy"), "1,2\n").unwrap();
    let mut nan = bytes(FORTRAN);
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(here.join("nan.npy"), nan).unwrap();
    for (inputs, labels, more, message) in [
        ("no.npy", "y.npy", "", "HERE/net.toml:9: data.inputs: cannot read HERE/no.npy: "),
        ("text.npy", "y.npy", "", "HERE/text.npy: does not begin as an array of NumPy does; "),
        ("d.npz", "y.npy", "", "HERE/d.npz: is an archive of arrays; name it in data.file"),
        ("x.npy", "three.npy", "", "HERE/three.npy: has the shape [3], and the inputs are 2 examples; "),
        ("x.npy", "line.npy", "", "HERE/line.npy: label 1: label 7: "),
        ("line.npy", "y.npy", "", "HERE/net.toml:9: data.inputs: has 1 axes, as shape [2]; "),
        ("nan.npy", "y.npy", "", "HERE/nan.npy: feature 2 of example 1 is NaN, not a finite number; "),
        (
            "x.npy",
            "y.npy",
            "channels = \"first\"",
            "HERE/net.toml:11: data.channels: has no meaning here: the inputs have ",
        ),
        ("x.npy", "y.npy", "standardise = \"channels\"", "HERE/net.toml:11: data.standardise: asks for channels, and "),
        ("x.npy", "y.npy", "examples = 3", "HERE/net.toml:11: data.examples: `3` is not a whole number from 1 to 2; "),
        ("x", "z", "file = \"d.npz\"", "HERE/d.npz: holds no array \"z\", but x, y; "),
        ("y", "y", "file = \"d.npz\"", "HERE/d.npz: holds text where numbers are expected; "),
        ("x", "y", "file = \"cut.npz\"", "HERE/cut.npz: is no archive of arrays: "),
        ("x", "y", "file = \"no.npz\"", "HERE/net.toml:11: data.file: cannot read HERE/no.npz: "),
    ] {
        let data = format!("kind = \"numpy\"\ninputs = \"{inputs}\"\nlabels = \"{labels}\"\n{more}");
        let found = read(here, "[3, 2]", "cross-entropy", &data).unwrap_err();
        assert!(found.starts_with(message) && found.lines().count() == 1, "{found}\n{message}");
    }
}

/// A picture in PNG.
fn png(kind: png::ColorType, [width, height]: [u32; 2], bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(kind);
    if kind == png::ColorType::Indexed {
        encoder.set_palette(vec![0, 0, 0, 200, 100, 50]);
    }
    let depth = if bytes.len() > (width * height) as usize * kind.samples() {
        png::BitDepth::Sixteen
    } else {
        png::BitDepth::Eight
    };
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(bytes).unwrap();
    file
}

fn put(here: &Path, name: &str, content: &[u8]) {
    let path = here.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

const FOLDER: &str = "kind = \"images\"\ndirectory = \"shapes\"";

#[test]
fn a_folder_of_pictures_is_data() {
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};

    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    put(here, "shapes/b/1.png", &png(Grayscale, [2, 1], &[10, 20]));
    put(here, "shapes/a/2.png", &png(GrayscaleAlpha, [2, 1], &[30, 255, 40, 255]));
    put(here, "shapes/a/1.PNG", &png(Grayscale, [2, 1], &[0, 50, 255, 255])); // sixteen bits
    put(here, "shapes/.hidden/1.png", b"none");
    put(here, "shapes/b/.DS_Store", b"none");
    put(here, "shapes/README.txt", b"none");
    let found = read(here, "[2, 1]", "logistic", FOLDER).unwrap();
    // The classes and the names in the order of their bytes. Of sixteen bits 50 is a fraction of a byte.
    assert_eq!(
        inputs(&found),
        (vec![f64::from(50.0_f32 / 257.0), 30.0, 10.0, 255.0, 40.0, 20.0], vec![-1.0, -1.0, 1.0])
    );
    assert_eq!(found.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let other = read(here, "[2, 1]", "logistic", &format!("{FOLDER}\nclasses = [\"b\", \"a\"]")).unwrap();
    assert_eq!(inputs(&other).1, [1.0, 1.0, -1.0]);

    // One picture of colours makes all of them such: red, green and blue, each with its pixels side by side.
    put(here, "shapes/b/2.png", &png(Rgb, [2, 1], &[1, 2, 3, 4, 5, 6]));
    put(here, "shapes/b/3.png", &png(Rgba, [2, 1], &[7, 8, 9, 255, 10, 11, 12, 255]));
    put(here, "shapes/b/4.png", &png(Indexed, [2, 1], &[1, 0]));
    let found = read(here, "[6, 1]", "logistic", FOLDER).unwrap();
    let features = found.network.unwrap();
    let feature = |j: usize| features.data().feature(j).to_vec();
    assert_eq!(feature(0)[2..], [10.0, 1.0, 7.0, 200.0]);
    assert_eq!(feature(3)[2..], [20.0, 5.0, 11.0, 0.0]);
    assert_eq!(feature(4)[2..], [10.0, 3.0, 9.0, 50.0]);
}

#[test]
fn folders_that_make_no_data_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let grey = |bytes: [u8; 2]| png(png::ColorType::Grayscale, [2, 1], &bytes);
    let refused = |message: &str| {
        let found = read(here, "[2, 1]", "logistic", FOLDER).unwrap_err();
        assert!(found.starts_with(message) && found.lines().count() == 1, "{found}\n{message}");
    };
    refused("HERE/net.toml:9: data.directory: cannot read HERE/shapes: ");
    std::fs::create_dir(here.join("shapes")).unwrap();
    refused("HERE/net.toml:9: data.directory: HERE/shapes holds no sub-folders; ");
    put(here, "shapes/1.png", &grey([1, 2]));
    refused("HERE/shapes/1.png: lies in no sub-folder; put every picture into the sub-folder of its class");
    std::fs::remove_file(here.join("shapes/1.png")).unwrap();
    put(here, "shapes/a/1.png", &grey([1, 2]));
    refused("HERE/net.toml:9: data.directory: has 1 sub-folders (a), but the network tells 2 classes apart; ");
    std::fs::create_dir(here.join("shapes/b")).unwrap();
    refused("HERE/shapes/b: holds no pictures; ");
    put(here, "shapes/b/2.jpg", b"jpeg");
    refused("HERE/shapes/b/2.jpg: is no .png; convert it to PNG");
    std::fs::rename(here.join("shapes/b/2.jpg"), here.join("shapes/b/2.png")).unwrap();
    refused("HERE/shapes/b/2.png: is no picture in PNG: ");
    let whole = grey([3, 4]);
    put(here, "shapes/b/2.png", &whole[..whole.len() - 20]);
    refused("HERE/shapes/b/2.png: is no picture in PNG: ");
    put(here, "shapes/b/2.png", &png(png::ColorType::Grayscale, [1, 2], &[1, 2]));
    refused("HERE/shapes/b/2.png: is 1x2 pixels, but HERE/shapes/a/1.png is 2x1: all pictures have one size; ");
    put(here, "shapes/b/2.png", &png(png::ColorType::GrayscaleAlpha, [2, 1], &[1, 255, 2, 254]));
    refused("HERE/shapes/b/2.png: is transparent in places; ");
    put(here, "shapes/b/2.png", &whole);
    assert!(read(here, "[2, 1]", "logistic", FOLDER).is_ok());
    let strange = read(here, "[2, 1]", "logistic", &format!("{FOLDER}\nclasses = [\"a\", \"c\"]")).unwrap_err();
    assert!(strange.starts_with("HERE/shapes/b/2.png: `b` is not among data.classes; "), "{strange}");
    let real = read(here, "[2, 1]", "squared", FOLDER).unwrap_err();
    assert!(real.contains("data.directory: has classes, and one output takes numbers as labels; "), "{real}");
}

/// Any network that a problem file describes is trained on them, and looked at.
#[test]
fn pictures_are_swept_and_inspected() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for (k, class) in (0..8_u8).zip(["dark", "light"].into_iter().cycle()) {
        // Light ones are brighter at the left.
        let pixel = |j: u8| if class == "light" && j % 4 < 2 { 200 + k } else { 12 * j + 5 * k };
        let bytes: Vec<u8> = (0..16).map(pixel).collect();
        put(here, &format!("shapes/{class}/{k}.png"), &png(png::ColorType::Grayscale, [4, 4], &bytes));
    }
    let layers = "[[network.layers]]\nkind = \"filters\"\nfilters = 2\npooled = true\nactivation = \"tanh\"\n\
                  normalisation = \"smoothed-batch-norm\"\nepsilon = 0.01\n\
                  [[network.layers]]\nkind = \"dense\"\nunits = 1\nnormalisation = \"smoothed-batch-norm\"\nepsilon = 0.01\n";
    let text = format!(
        "[network]\nimage = [1, 4, 4]\nobjective = \"logistic\"\n{layers}[data]\n{FOLDER}\nseed = 3\n\
         standardise = \"channels\"\n[minibatches]\nkind = \"partition\"\nbatch-size = 4\n\
         [parameters]\ninitialiser = \"glorot-uniform\"\nseed = 1\n"
    );
    std::fs::write(here.join("net.toml"), text).unwrap();
    let plan = "[sweep]\nsteps = 200\nhorizons = 12\nseeds = 2\n[grid]\neta-w = [0.1, 1.0]\neta-g = 0.1\n\
                [instance.pictures]\nproblem = \"net.toml\"\n";
    std::fs::write(here.join("plan.toml"), plan).unwrap();
    let said = crate::sweep::ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert!(said.contains("2 groups of 2 runs to step 200: pictures") && said.contains("slope"), "{said}");
    let seen = crate::sweep::ending(0, &["inspect", "--problem", "net.toml", "--json"], here);
    assert!(seen.contains("\"dark\"") && seen.contains("\"light\""), "the classes are named: {seen}");
}

/// The files of MNIST's format, by hand.
#[test]
fn a_published_set_is_data() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let file = |magic: u32, sizes: &[u32], bytes: &[u8]| {
        let words = std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes());
        words.chain(bytes.iter().copied()).collect::<Vec<u8>>()
    };
    put(here, "set/train-images-idx3-ubyte", &file(0x803, &[2, 1, 2], &[1, 2, 3, 9]));
    put(here, "set/train-labels-idx1-ubyte", &file(0x801, &[2], &[1, 0]));
    let data = |part: &str| format!("kind = \"images\"\ndirectory = \"set\"\npart = \"{part}\"");
    let found = read(here, "[2, 2]", "cross-entropy", &data("train")).unwrap();
    assert_eq!(inputs(&found), (vec![1.0, 3.0, 2.0, 9.0], vec![1.0, 0.0]));
    let missing = read(here, "[2, 2]", "cross-entropy", &data("test")).unwrap_err();
    assert!(missing.starts_with("HERE/net.toml:9: data.directory: HERE/set") && missing.contains("t10k"), "{missing}");
}
