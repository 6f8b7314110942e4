//! Parquet: the columns of the CSV with types, when a message arrived, and the vector of each event.
//!
//! Rows stand in an order that causality allows. Memory beyond the history is one row group.
//!
//! | column | type |
//! |---|---|
//! | run, host, kind | string, by a dictionary |
//! | machine, from | int32: a machine's id; of a host of another program, its place |
//! | index, clock, jump, sent, queue, waited_us, line | int64 |
//! | at, arrived | timestamp of microseconds, UTC |
//! | to | list of int32 |
//! | vector | list of int64: by machine, how many of its events lie in this event's past, itself included |

use std::{io::Write, sync::Arc};

use ::parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use super::{ExportError, Exported, part::Part, row, shiviz::CIRCLE};
use crate::inspect::{
    history::{EventId, History, Sender},
    words::thousands,
};

/// Rows that are gathered before they are written: some 40 MB for a run of ten machines. Readers skip groups
/// whose statistics do not match, and read groups side by side.
pub const ROW_GROUP_ROWS: usize = 100_000;

/// Longest vector that is written. Beyond it the column is left empty: a row group of longer ones would take
/// over 200 MB.
pub const VECTOR_ENTRIES_MAX: usize = 128;

const SCHEMA: &str = "
message event {
    required binary run (STRING);
    required int32 machine;
    required binary host (STRING);
    required int64 index;
    optional int64 at (TIMESTAMP(MICROS, true));
    required binary kind (STRING);
    required int64 clock;
    required int64 jump;
    optional int32 from;
    optional int64 sent;
    optional int64 queue;
    optional int64 waited_us;
    optional int64 arrived (TIMESTAMP(MICROS, true));
    required group to (LIST) { repeated group list { required int32 element; } }
    optional group vector (LIST) { repeated group list { required int64 element; } }
    required int64 line;
}";

impl From<ParquetError> for ExportError {
    fn from(error: ParquetError) -> Self {
        match error {
            // What lies beneath, where it is the file's own error.
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(error) => ExportError::Write(*error),
                Err(other) => ExportError::Parquet(other.to_string()),
            },
            other => ExportError::Parquet(other.to_string()),
        }
    }
}

pub(super) fn write(
    part: &Part<'_>,
    exported: &mut Exported,
    output: &mut (impl Write + Send),
) -> Result<(), ExportError> {
    exported.messages = part.messages();
    exported.notes.extend(row::notes_of_strays(part));
    let machines = Machines::new(part.history);
    if machines.entries > VECTOR_ENTRIES_MAX {
        exported.notes.push(format!(
            "the column `vector` is empty: vectors of {} entries are over the limit of {VECTOR_ENTRIES_MAX}; \
             --machines does not shorten them, for they tell of the whole run",
            thousands(machines.entries as u64)
        ));
    }
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut file = SerializedFileWriter::new(output, schema, Arc::new(properties.build()))?;
    let mut group = Columns::default();
    let mut result = Ok(());
    let in_order = part.history.each_in_causal_order(|id, vector| {
        if result.is_err() || !part.holds(id) {
            return;
        }
        group.push(part.history, &machines, id, vector);
        if group.line.len() >= ROW_GROUP_ROWS {
            result = group.flush(&mut file);
        }
    });
    result?;
    group.flush(&mut file)?;
    file.close()?;
    if group.too_large > 0 {
        exported.notes.push(format!(
            "clocks over {}, written as that: {}",
            i64::MAX,
            thousands(group.too_large)
        ));
    }
    if !in_order {
        exported.notes.push(CIRCLE.to_owned());
    }
    Ok(())
}

/// What stands for each process in the columns.
struct Machines {
    run: ByteArray,
    /// By process.
    ids: Vec<i32>,
    /// By process.
    hosts: Vec<ByteArray>,
    /// Entries of a vector: one for each id up to the greatest.
    entries: usize,
}

impl Machines {
    fn new(history: &History) -> Self {
        let names = || history.processes.iter().map(|process| process.name.as_str());
        let numbers: Option<Vec<i32>> = names()
            .map(|name| name.parse().ok().filter(|id| *id >= 0))
            .collect();
        let places = || (0..).take(history.processes.len()).collect();
        let ids: Vec<i32> = numbers.unwrap_or_else(places);
        let greatest = ids.iter().max().and_then(|id| usize::try_from(*id).ok());
        Self {
            run: history.name.as_str().into(),
            hosts: names().map(ByteArray::from).collect(),
            entries: greatest.map_or(0, |greatest| greatest + 1),
            ids,
        }
    }

    fn id(&self, process: u32) -> i32 {
        self.ids.get(process as usize).copied().unwrap_or(-1)
    }

    fn id_of(&self, sender: Sender) -> i32 {
        match sender {
            Sender::Process(process) => self.id(process),
            Sender::Missing(machine) => machine.0.into(),
        }
    }
}

/// A column whose rows may say nothing.
struct Optional<T> {
    values: Vec<T>,
    /// By row: 1 where it says something.
    levels: Vec<i16>,
}

/// A column of lists.
struct List<T> {
    values: Vec<T>,
    /// By entry, and once for a row without one: 0 where nothing is said, then the depth that is reached.
    levels: Vec<i16>,
    /// By the same: 0 where a row begins, 1 behind that.
    repeats: Vec<i16>,
}

/// The rows of one group, column by column.
#[derive(Default)]
struct Columns {
    run: Vec<ByteArray>,
    machine: Vec<i32>,
    host: Vec<ByteArray>,
    index: Vec<i64>,
    at: Optional<i64>,
    kind: Vec<ByteArray>,
    clock: Vec<i64>,
    jump: Vec<i64>,
    from: Optional<i32>,
    sent: Optional<i64>,
    queue: Optional<i64>,
    waited_us: Optional<i64>,
    arrived: Optional<i64>,
    to: List<i32>,
    vector: List<i64>,
    line: Vec<i64>,
    /// Clocks that the column cannot hold, in all groups.
    too_large: u64,
}

impl Columns {
    fn push(&mut self, history: &History, machines: &Machines, id: EventId, vector: &[u32]) {
        let Some(row) = row::row(history, id) else { return };
        let mut signed = |number: u64| {
            i64::try_from(number).unwrap_or_else(|_| {
                self.too_large += 1;
                i64::MAX
            })
        };
        self.run.push(machines.run.clone());
        self.machine.push(machines.id(id.process));
        self.host.extend(machines.hosts.get(id.process as usize).cloned());
        self.index.push(signed(row.index));
        self.at.push(row.at.map(|at| at.0));
        self.kind.push(row.kind.into());
        self.clock.push(signed(row.clock));
        self.jump.push(signed(row.jump));
        self.from.push(row.from.map(|from| machines.id_of(from)));
        self.sent.push(row.sent.map(&mut signed));
        self.queue.push(row.queue.map(i64::from));
        self.waited_us.push(row.waited_us.map(&mut signed));
        self.arrived.push(row.arrived.map(|arrived| arrived.0));
        self.to
            .push(history.recipients_of(id).map(|to| machines.id(to)), 1);
        if machines.entries <= VECTOR_ENTRIES_MAX {
            // Entries of machines without a log stay 0.
            let mut entries = vec![0; machines.entries];
            for (machine, count) in machines.ids.iter().zip(vector) {
                let place = usize::try_from(*machine).ok();
                if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
                    *entry = i64::from(*count);
                }
            }
            self.vector.push(entries.into_iter(), 2);
        } else {
            self.vector.push_nothing();
        }
        self.line.push(row.line.into());
    }

    /// Writes the rows as a group, and begins the next one.
    fn flush<W: Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<(), ExportError> {
        if self.line.is_empty() {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        plain::<ByteArrayType, _>(&mut group, &mut self.run)?;
        plain::<Int32Type, _>(&mut group, &mut self.machine)?;
        plain::<ByteArrayType, _>(&mut group, &mut self.host)?;
        plain::<Int64Type, _>(&mut group, &mut self.index)?;
        self.at.flush::<Int64Type, _>(&mut group)?;
        plain::<ByteArrayType, _>(&mut group, &mut self.kind)?;
        plain::<Int64Type, _>(&mut group, &mut self.clock)?;
        plain::<Int64Type, _>(&mut group, &mut self.jump)?;
        self.from.flush::<Int32Type, _>(&mut group)?;
        self.sent.flush::<Int64Type, _>(&mut group)?;
        self.queue.flush::<Int64Type, _>(&mut group)?;
        self.waited_us.flush::<Int64Type, _>(&mut group)?;
        self.arrived.flush::<Int64Type, _>(&mut group)?;
        self.to.flush::<Int32Type, _>(&mut group)?;
        self.vector.flush::<Int64Type, _>(&mut group)?;
        plain::<Int64Type, _>(&mut group, &mut self.line)?;
        group.close()?;
        Ok(())
    }
}

/// The next column of a group, of which the schema says that it is of type `T`.
fn column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    write: impl FnOnce(&mut SerializedColumnWriter<'_>) -> Result<(), ParquetError>,
) -> Result<(), ExportError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ExportError::Parquet("a column too many".to_owned()))?;
    write(&mut column)?;
    Ok(column.close()?)
}

fn plain<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &mut Vec<T::T>,
) -> Result<(), ExportError> {
    column(group, |column| {
        column.typed::<T>().write_batch(values, None, None).map(|_| ())
    })?;
    values.clear();
    Ok(())
}

impl<T> Optional<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn flush<D: DataType<T = T>, W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ExportError> {
        column(group, |column| {
            column
                .typed::<D>()
                .write_batch(&self.values, Some(&self.levels), None)
                .map(|_| ())
        })?;
        self.values.clear();
        self.levels.clear();
        Ok(())
    }
}

impl<T> List<T> {
    /// Appends a row; `full` is the depth of an entry, one less that of an empty list.
    fn push(&mut self, entries: impl Iterator<Item = T>, full: i16) {
        let before = self.values.len();
        for entry in entries {
            self.repeats.push(i16::from(self.values.len() > before));
            self.levels.push(full);
            self.values.push(entry);
        }
        if self.values.len() == before {
            self.repeats.push(0);
            self.levels.push(full - 1);
        }
    }

    /// Appends a row that says nothing.
    fn push_nothing(&mut self) {
        self.repeats.push(0);
        self.levels.push(0);
    }

    fn flush<D: DataType<T = T>, W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ExportError> {
        column(group, |column| {
            let (levels, repeats) = (Some(&*self.levels), Some(&*self.repeats));
            column
                .typed::<D>()
                .write_batch(&self.values, levels, repeats)
                .map(|_| ())
        })?;
        self.values.clear();
        self.levels.clear();
        self.repeats.clear();
        Ok(())
    }
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            levels: Vec::new(),
        }
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            levels: Vec::new(),
            repeats: Vec::new(),
        }
    }
}
