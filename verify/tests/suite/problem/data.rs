//! Data and initial parameters: tables, and what is drawn from a seed.

use ratecheck_verify::lab::problem::Problem;

use super::{SOUND, parse};

/// The sound file on a table; `table` is written beside it.
pub(crate) fn on_table(table: impl AsRef<[u8]>, section: &str) -> Result<Problem, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("tables")).unwrap();
    std::fs::write(directory.path().join("tables/points.csv"), table).unwrap();
    let path = directory.path().join("net.toml");
    let (start, rest) = SOUND.split_once("kind = \"inline\"").unwrap();
    let (_, end) = rest.split_once("standardise = true\n").unwrap();
    let text = format!("{start}kind = \"csv\"\nfile = \"tables/points.csv\"\n{section}\n{end}");
    std::fs::write(&path, text).unwrap();
    // Without the name of the directory, which differs from run to run.
    let prefix = format!("{}/", directory.path().display());
    Problem::read(&path).map_err(|error| error.to_string().replace(&prefix, ""))
}

const TABLE: &str = "x1,x2,y\n1,2,1\n3,4,-1\n5,6.5,1\n7,8,-1\n";
const COLUMNS: &str = "features = [\"x2\", \"x1\"]\nlabel = \"y\"";

#[test]
fn a_table_is_read_by_the_names_of_its_columns() {
    let Some(network) = on_table(TABLE, COLUMNS).unwrap().network else { panic!("a network") };
    assert_eq!(network.data().feature(0), [2.0, 4.0, 6.5, 8.0]);
    assert_eq!(network.data().feature(1), [1.0, 3.0, 5.0, 7.0]);
    assert_eq!(network.data().labels(), [1.0, -1.0, 1.0, -1.0]);
    // All others in the order of the file; spaces, Windows line ends and a byte order mark do no harm.
    let windows = format!("\u{feff}{}", TABLE.replace('\n', "\r\n").replace(',', " , "));
    let Some(network) = on_table(&windows, "label = \"y\"").unwrap().network else { panic!("a network") };
    assert_eq!(network.data().feature(0), [1.0, 3.0, 5.0, 7.0]);
}

/// As spreadsheets save tables: between semicolons or tabs, and as "Unicode text". What is quoted separates nothing.
#[test]
fn tables_have_the_separators_and_the_encoding_of_spreadsheets() {
    let quoted = TABLE.replace("x1", "\"size; in, cm\"").replace("x2", "\"weight, kg\"");
    for separator in [",", ";", "\t"] {
        let (names, numbers) = quoted.split_once(",y\n").unwrap();
        let names = names.replace("\",\"", &format!("\"{separator}\""));
        let table = format!("{names}{separator}y\n{}", numbers.replace(',', separator));
        let units: Vec<u16> = [0xfeff].into_iter().chain(table.encode_utf16()).collect();
        let little = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [table.into_bytes(), little, big] {
            let read = on_table(bytes, "features = [\"weight, kg\", \"size; in, cm\"]\nlabel = \"y\"");
            let Some(network) = read.unwrap().network else { panic!("a network") };
            assert_eq!(network.data().feature(0), [2.0, 4.0, 6.5, 8.0]);
            assert_eq!(network.data().feature(1), [1.0, 3.0, 5.0, 7.0]);
        }
    }
}

#[test]
fn every_mistake_in_a_table_is_named() {
    let cases = [
        (
            TABLE,
            "label = \"z\"",
            "net.toml:12: data.label: tables/points.csv has no column \"z\"; its columns are x1, x2, y",
        ),
        (
            TABLE,
            "features = [\"x1\", \"X2\"]\nlabel = \"y\"",
            "net.toml:12: data.features[1]: tables/points.csv has no column \"X2\"; did you mean \"x2\"?",
        ),
        (
            TABLE,
            "features = [\"x1\", \"y\"]\nlabel = \"y\"",
            "net.toml:12: data.features[1]: the column \"y\" is used twice; name every column once, and not that of \
             the labels",
        ),
        (
            TABLE,
            "features = []\nlabel = \"y\"",
            "net.toml:12: data.features: names no columns; name at least one, or leave the key out to use all others",
        ),
        (TABLE, "features = [\"x1\"]", "net.toml:9: data.label: is missing; name the column of the labels"),
        (
            "x1,x1,y\n1,2,1\n",
            "features = [\"x1\"]\nlabel = \"y\"",
            "net.toml:12: data.features[0]: tables/points.csv has several columns \"x1\"; give every column a name of \
             its own",
        ),
        (
            "x1,x2,y\n1,2,1\n3,4\n",
            COLUMNS,
            "tables/points.csv:3: a row with 2 fields, but 3 columns are named in the first line; give every row one \
             field per column",
        ),
        (
            "x1,x2,y\n1,2,1\n\n3,four,1\n",
            COLUMNS,
            "tables/points.csv:4: column 2 (\"x2\"): `four` is not a finite number; give a number in every field that \
             is used",
        ),
        (
            "x1,x2,y\n1,,1\n",
            COLUMNS,
            "tables/points.csv:2: column 2 (\"x2\"): is empty; give a number in every field that is used",
        ),
        (
            "x1,x2,y\n1,inf,1\n",
            COLUMNS,
            "tables/points.csv:2: column 2 (\"x2\"): `inf` is not a finite number; give a number in every field that \
             is used",
        ),
        (
            "x1,x2,y\n1,2,0\n",
            COLUMNS,
            "tables/points.csv:2: column 3 (\"y\"): label 0: the logistic objective needs -1 or +1; change the labels, \
             or the objective and the last width of the network",
        ),
        ("x1,x2,y\n", COLUMNS, "tables/points.csv:1: holds no examples; give at least one row below the column names"),
        (
            "",
            COLUMNS,
            "net.toml:13: data.label: tables/points.csv has no column \"y\"; the file is empty: its first line must \
             name the columns",
        ),
        (
            "y\n1\n",
            "label = \"y\"",
            "tables/points.csv:1: has no column but that of the labels; give at least one feature",
        ),
    ];
    for (table, section, message) in cases {
        assert_eq!(on_table(table, section).unwrap_err(), message);
    }
}

#[test]
fn data_that_are_drawn_follow_their_seed() {
    let (start, _) = SOUND.split_once("kind = \"inline\"").unwrap();
    let teacher = |more: &str| parse(&format!("{start}kind = \"teacher\"\nexamples = 8\nfeatures = 2\n{more}\n"));
    let inputs = |problem: Problem| {
        let Some(network) = problem.network else { panic!("a network") };
        network.data().inputs().to_vec()
    };
    assert_eq!(inputs(teacher("seed = 7").unwrap()), inputs(teacher("seed = 7\nnoise = 0.5").unwrap()));
    assert_ne!(inputs(teacher("seed = 7").unwrap()), inputs(teacher("seed = 8").unwrap()));
    assert_eq!(
        teacher("").unwrap_err(),
        "net.toml:9: data.seed: is missing; give the seed that the data are drawn from"
    );
    let message = teacher("seed = 7\nnoise = 1.5").unwrap_err();
    assert_eq!(message, "net.toml:14: data.noise: 1.5 is not a probability; give a number from 0 to 1");
    let message = teacher("seed = 7\nclasses = 3").unwrap_err();
    assert!(message.starts_with("net.toml:10: data.kind: label 0: the logistic objective needs"), "{message}");
    let message = teacher("seed = -1").unwrap_err();
    assert!(message.starts_with("net.toml:13: data.seed: `-1` is not a seed"), "{message}");
    assert!(teacher("seed = 18446744073709551615").is_ok());
    let digits = parse(&format!("{start}kind = \"digits\"\nexamples = 8\n")).unwrap_err();
    assert!(digits.starts_with("net.toml:10: data.kind: label 0: the logistic objective needs"), "{digits}");
}

#[test]
fn an_initialiser_has_a_seed() {
    let (start, _) = SOUND.split_once("weights = ").unwrap();
    let read = |text: &str| parse(&format!("{start}{text}\n"));
    let theta = |text: &str| read(text).unwrap().theta.unwrap();
    let drawn = theta("initialiser = \"glorot-uniform\"\nseed = 1");
    assert_eq!(drawn[9..], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let other = theta("initialiser = \"glorot-uniform\"\nseed = 1\ngamma = 0.5\nbetas = [[1, 2, 3], [4]]");
    assert_eq!(other[..9], drawn[..9]);
    assert_eq!(other[9..], [0.5, 0.5, 0.5, 1.0, 2.0, 3.0, 0.5, 4.0]);
    assert_ne!(theta("initialiser = \"glorot-uniform\"\nseed = 2")[..9], drawn[..9]);
    let missing = read("initialiser = \"glorot-uniform\"").unwrap_err();
    assert_eq!(missing, "net.toml:19: parameters.seed: is missing; give the seed that the weights are drawn from");
    assert!(read("gamma = 1").unwrap_err().starts_with("net.toml:19: parameters.weights: is missing"));
}
