//! Labels of tables: text, numbers that begin at 1, and what is no label.

use ratecheck_verify::lab::problem::Problem;

use super::SOUND;
use super::data::on_table;

fn labels(problem: Problem) -> Vec<f64> {
    let Some(network) = problem.network else { panic!("a network") };
    network.data().labels().to_vec()
}

fn table(labels: [&str; 4]) -> String {
    let row = |(i, label): (usize, &&str)| format!("{i}.5,{},{label}\n", (i * i) as f64 - 2.25);
    format!("a,b,y\n{}", labels.iter().enumerate().map(row).collect::<String>())
}

/// The sound file has the logistic objective: the first class is -1, the second +1.
#[test]
fn text_is_numbered_in_its_sorted_order() {
    let read = |names: [&str; 4]| on_table(table(names), "label = \"y\"").map(labels);
    assert_eq!(read(["no", "yes", "yes", "no"]).unwrap(), [-1.0, 1.0, 1.0, -1.0]);
    assert_eq!(read(["True", "False", "True", "True"]).unwrap(), [1.0, -1.0, 1.0, 1.0]);
    // By bytes, so that capitals come first; a number among text is text.
    assert_eq!(read(["b", "B", "B", "b"]).unwrap(), [1.0, -1.0, -1.0, 1.0]);
    assert_eq!(read(["7", "seven", "7", "7"]).unwrap(), [-1.0, 1.0, -1.0, -1.0]);
    assert_eq!(read(["-1", "1", "1.0", "-1"]).unwrap(), [-1.0, 1.0, 1.0, -1.0]);

    let classes = |names: [&str; 4], order: &str| on_table(table(names), &format!("label = \"y\"\nclasses = {order}"));
    assert_eq!(classes(["no", "yes", "yes", "no"], "[\"yes\", \"no\"]").map(labels).unwrap(), [1.0, -1.0, -1.0, 1.0]);
    assert_eq!(classes(["1", "2", "2", "1"], "[\"1\", \"2\"]").map(labels).unwrap(), [-1.0, 1.0, 1.0, -1.0]);
    assert_eq!(classes(["0", "1", "1", "0"], "[\"0\", \"1\"]").map(labels).unwrap(), [-1.0, 1.0, 1.0, -1.0]);
}

#[test]
fn what_cannot_be_numbered_is_told_how() {
    let read = |names: [&str; 4], more: &str| {
        on_table(table(names), &format!("label = \"y\"\n{more}")).map(labels).unwrap_err()
    };
    assert_eq!(
        read(["1", "2", "2", "1"], ""),
        "tables/points.csv:3: column 3 (\"y\"): label 2: the logistic objective needs -1 or +1; write classes = \
         [\"1\", \"2\"] in [data] to have them numbered in this order"
    );
    assert_eq!(
        read(["10", "9", "9", "10"], ""),
        "tables/points.csv:2: column 3 (\"y\"): label 10: the logistic objective needs -1 or +1; write classes = \
         [\"9\", \"10\"] in [data] to have them numbered in this order"
    );
    assert_eq!(
        read(["a", "b", "c", "a"], ""),
        "tables/points.csv:2: column 3 (\"y\"): 3 different labels (a, b, c), but the network tells 2 classes apart; \
         change the outputs of the network, or list all classes under data.classes"
    );
    for (missing, what) in
        [("", "is empty"), ("NA", "`NA` is no label"), ("nan", "`nan` is no label"), ("?", "`?` is no label")]
    {
        assert_eq!(
            read(["a", "b", missing, "a"], ""),
            format!("tables/points.csv:4: column 3 (\"y\"): {what}; give every example a label")
        );
    }
    assert_eq!(
        read(["a", "b", "c", "a"], "classes = [\"a\", \"b\"]"),
        "tables/points.csv:4: column 3 (\"y\"): `c` is not among data.classes; name every label of the data there"
    );
    assert_eq!(
        read(["a", "b", "b", "a"], "classes = [\"a\", \"b\", \"c\"]"),
        "net.toml:13: data.classes: names 3 classes, but the objective takes 2 classes; name as many classes as the \
         network has outputs; two, if it has one"
    );
    assert_eq!(
        read(["a", "a", "a", "a"], "classes = [\"a\", \"a\"]"),
        "net.toml:13: data.classes[1]: \"a\" is named twice; name every class once"
    );
}

/// With K outputs classes are 0..K-1; one output and the squared objective take numbers alone.
#[test]
fn classes_follow_the_objective() {
    let start = SOUND.replace("[2, 3, 1]", "[2, 3, 3]").replace("\"logistic\"", "\"cross-entropy\"");
    let (start, _) = start.split_once("kind = \"inline\"").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let read = |start: &str, names: [&str; 4], more: &str| {
        std::fs::write(directory.path().join("points.csv"), table(names)).unwrap();
        let path = directory.path().join("net.toml");
        let text = format!("{start}kind = \"csv\"\nfile = \"points.csv\"\nlabel = \"y\"\n{more}");
        Problem::parse(&text, &path).map(labels).map_err(|error| error.to_string())
    };
    assert_eq!(read(start, ["setosa", "virginica", "setosa", "versicolor"], "").unwrap(), [0.0, 2.0, 0.0, 1.0]);
    assert_eq!(read(start, ["1", "2", "3", "1"], "classes = [\"1\", \"2\", \"3\"]").unwrap(), [0.0, 1.0, 2.0, 0.0]);
    let message = read(start, ["1", "2", "3", "1"], "").unwrap_err();
    assert!(message.contains("labels are whole numbers 0..2; write classes = [\"1\", \"2\", \"3\"]"), "{message}");
    // A class that the table does not have.
    assert_eq!(read(start, ["b", "c", "c", "b"], "classes = [\"a\", \"b\", \"c\"]").unwrap(), [1.0, 2.0, 2.0, 1.0]);
    assert!(read(start, ["b", "c", "c", "b"], "").unwrap_err().contains("2 different labels (b, c)"));
    let squared = start.replace("[2, 3, 3]", "[2, 3, 1]").replace("\"cross-entropy\"", "\"squared\"");
    assert_eq!(read(&squared, ["0.5", "2", "-3", "1"], "").unwrap(), [0.5, 2.0, -3.0, 1.0]);
    let message = read(&squared, ["0.5", "two", "-3", "1"], "").unwrap_err();
    assert!(message.contains("`two` is not a finite number"), "{message}");
    let message = read(&squared, ["0.5", "2", "-3", "1"], "classes = [\"1\"]").unwrap_err();
    assert!(message.contains("takes numbers, not classes"), "{message}");
}

/// As some programs write tables: a comma at the end of the first line, or of every line.
#[test]
fn commas_at_the_end_of_lines_name_no_column() {
    for table in ["a,b,y,\n1,2,1\n3,4,-1\n5,6.5,1\n7,8,-1\n", "a,b,y,\n1,2,1,\n3,4,-1,\n5,6.5,1,\n7,8,-1,\n"] {
        assert_eq!(on_table(table, "label = \"y\"").map(labels).unwrap(), [1.0, -1.0, 1.0, -1.0]);
    }
}
