//! The table at the end.

/// One stop of the tour.
#[derive(Debug)]
pub struct Row {
    tried: String,
    came: String,
    entry: String,
    faults: Vec<String>,
}

impl Row {
    pub fn new(tried: &str, came: String, entry: String, faults: Vec<String>) -> Self {
        Self {
            tried: tried.to_owned(),
            came,
            entry,
            faults,
        }
    }
}

/// Prints all rows; true when none has a fault.
pub fn print(rows: &[Row]) -> bool {
    let width = |column: fn(&Row) -> &str, most: usize| {
        rows.iter()
            .map(|row| column(row).chars().count())
            .max()
            .unwrap_or(0)
            .min(most)
    };
    let tried = width(|row| &row.tried, 62);
    let came = width(|row| &row.came, 44);
    println!(
        "\n      {:tried$}  {:came$}  audit entry",
        "tried", "came back"
    );
    for row in rows {
        let mark = if row.faults.is_empty() {
            "pass"
        } else {
            "FAIL"
        };
        println!(
            "{mark}  {:tried$}  {:came$}  {}",
            cut(&row.tried, tried),
            cut(&row.came, came),
            cut(&row.entry, 70)
        );
        for fault in &row.faults {
            println!("      ^ {fault}");
        }
    }
    let failed = rows.iter().filter(|row| !row.faults.is_empty()).count();
    println!("\n{} defences held, {failed} failed", rows.len() - failed);
    failed == 0
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}
