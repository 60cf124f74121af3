//! The command line as its user types it.

use crate::failure::EXIT_CODES;
use clap::{ArgGroup, Args, Parser, Subcommand};
use std::path::PathBuf;

/// An embedded event store: import, read, check and repair a store.
///
/// Data goes to standard output, everything else to standard error. Commands that read never create a store and may
/// run beside a writer.
#[derive(Debug, Parser)]
#[command(name = "orchestrix", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command knows.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Directory of the store
    #[arg(long, value_name = "DIR", env = "ORCHESTRIX_STORE", global = true)]
    pub(crate) store: Option<PathBuf>,
    /// Print JSON, for machines
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Import(Import),
    Append(Append),
    #[command(visible_alias = "tail")]
    Read(Read),
    Streams(Streams),
    Inspect(Inspect),
    /// Import a week of earthquakes, kill a writer, flip a byte: in three acts, in ./orchestrix-demo
    Demo,
    /// Show what a store holds and what it takes
    Stats,
    /// Check every checksum, position and revision of a store; changes nothing
    Verify,
    Repair(Repair),
    Retain(Retain),
    Backup(Backup),
    /// List the consumers of a store, pause, resume or set one back
    #[command(subcommand)]
    Consumers(Consumers),
    /// List, show, export, redrive or discard the dead letters: events that consumers gave up on
    #[command(subcommand)]
    Dlq(Dlq),
    /// Check the index against the log, or make it again from the log
    #[command(subcommand)]
    Index(Index),
    #[command(hide = true)]
    DemoWriter(DemoWriter),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Consumers {
    /// Where each is, by its last checkpoint
    List,
    /// Have a consumer hand out nothing more until it is resumed, also in later processes
    Pause(Consumer),
    /// Have a consumer go on after a pause
    Resume(Consumer),
    Reset(Reset),
}

/// A consumer that is asked for something
#[derive(Debug, Args)]
pub(crate) struct Consumer {
    /// Name of the consumer
    pub(crate) consumer: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// A request is kept until the process that runs the consumer, or the next one that does, has executed it
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// How long to wait for what comes of it
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) wait: u32,
}

/// Have a consumer go on behind a position
///
/// At once if no process has the store open for writing; else by a request to the process that runs the consumer.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// Name of the consumer
    pub(crate) consumer: String,
    /// The last position that counts as done: 0 for everything that is there
    #[arg(long, value_name = "POSITION")]
    pub(crate) to: u64,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// One a line, in the order in which they would be redriven
    List(Letters),
    Show(DlqShow),
    /// The events as CloudEvents in JSON, one a line
    Export(Letters),
    /// Have their consumers handle some again, in order; those that fail again stay
    Redrive(Chosen),
    /// Forget some, unhandled
    Discard(Chosen),
}

/// Which dead letters, by the ids of their events
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(false))]
pub(crate) struct Chosen {
    /// Ids of the events
    #[arg(value_name = "ID", group = "which")]
    pub(crate) ids: Vec<String>,
    /// All that are open
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) letters: Letters,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// Which dead letters
#[derive(Debug, Args)]
pub(crate) struct Letters {
    /// Only those of this consumer
    #[arg(long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// Only those whose reason has this in it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Everything that is known of one, and its event
#[derive(Debug, Args)]
pub(crate) struct DlqShow {
    /// Id of the event
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) letters: Letters,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Compare the index with the log; changes nothing
    Check,
    /// Make the index again from the log
    Rebuild,
}

/// Import events, one JSON object a line; what is already there is skipped
///
/// Without any of the --…-field options each line is a CloudEvent in JSON; its stream is its extension `streamid`, else
/// its `subject`, else its `source`. With them a line is any JSON object, which becomes the data of the event byte for
/// byte.
///
/// An event whose id its stream already has is skipped, so an import that was interrupted or killed is resumed by
/// running it again. The same id with other content is a bad line.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("fields").multiple(true))]
pub(crate) struct Import {
    /// File to read; standard input if it is `-` or missing
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Field that names the stream: a dotted path (`a.b`) or a JSON pointer (`/a/b`)
    #[arg(long, value_name = "PATH", group = "fields")]
    pub(crate) stream_field: Option<String>,
    /// Field that holds the type of the event
    #[arg(long, value_name = "PATH", group = "fields")]
    pub(crate) type_field: Option<String>,
    /// Field that holds the id of the event; without it the id is made from line number and content
    #[arg(long, value_name = "PATH", group = "fields", requires = "stream_field")]
    pub(crate) id_field: Option<String>,
    /// Field that holds the time of the event: RFC 3339, or a number since 1970-01-01 UTC
    ///
    /// A number below 1e11 is taken for seconds (its fraction counts), below 1e14 for milliseconds, below 1e17 for
    /// microseconds, else for nanoseconds.
    #[arg(long, value_name = "PATH", group = "fields", requires = "stream_field")]
    pub(crate) time_field: Option<String>,
    /// Type of the events that have no type field
    #[arg(long = "type", value_name = "NAME", group = "fields", requires = "stream_field")]
    pub(crate) event_type: Option<String>,
    /// Events a commit
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) batch: u32,
    /// Longest line, in bytes; a longer one is a bad line
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_line: u32,
    /// Set bad lines aside in this file, byte for byte, instead of stopping at the first; it is written anew
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
}

/// Append one event
#[derive(Debug, Args)]
pub(crate) struct Append {
    pub(crate) stream: String,
    /// Type of the event
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: String,
    /// Data of the event: JSON, or `@FILE`, or `-` for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub(crate) data: String,
    /// What must be true of the stream: any, no-stream, exists, or the revision of its newest event
    #[arg(long, value_name = "any|no-stream|exists|N", default_value = "any", value_parser = crate::append::expected)]
    pub(crate) expected: orchestrix::Expected,
    /// Id of the event; a new UUID if it is missing
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Content type of the data; data that is not JSON needs one
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    pub(crate) content_type: String,
}

/// Read events, as CloudEvents in JSON, one a line; `import` takes them back unchanged
///
/// With --follow it goes on with what another process appends, once it survives power loss, until Ctrl-C or SIGTERM.
#[derive(Debug, Args)]
pub(crate) struct Read {
    /// Stream to read; all events if it is missing
    #[arg(conflicts_with = "category")]
    pub(crate) stream: Option<String>,
    /// Start here, inclusive: a revision if a stream is read, else a position
    #[arg(long, value_name = "N")]
    pub(crate) from: Option<u64>,
    /// At most so many events
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Newest first
    #[arg(long)]
    pub(crate) backward: bool,
    /// Go on with what comes, until Ctrl-C
    #[arg(long, short, conflicts_with = "backward")]
    pub(crate) follow: bool,
    /// Only streams of this category: what stands before the first `-` of their names
    #[arg(long, value_name = "NAME")]
    pub(crate) category: Option<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
}

/// List the streams, by name
#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// Only streams of this category
    #[arg(long, value_name = "NAME")]
    pub(crate) category: Option<String>,
}

/// Show the frames of a segment file as annotated hex
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The file, such as DIR/log/00000000000000000000.seg
    pub(crate) segment: PathBuf,
}

/// Show how a damaged store would be repaired; with --apply, do it
#[derive(Debug, Args)]
pub(crate) struct Repair {
    /// Do it; what is removed is kept in the store's directory
    #[arg(long)]
    pub(crate) apply: bool,
}

/// Show which old segments may be dropped; with --apply, drop them for good
///
/// A segment goes as a whole, and only if one of the limits names all of it. The one that is written to stays. Every stream
/// goes on at its next revision. No other process may have the store open for writing.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("limits").required(true).multiple(true))]
pub(crate) struct Retain {
    /// Events before this position may go
    #[arg(long, value_name = "POSITION", group = "limits")]
    pub(crate) before: Option<u64>,
    /// Events older than this may go, such as `30d` or `12h`, as measured from the newest event
    #[arg(long, value_name = "AGE", group = "limits", value_parser = crate::retain::age)]
    pub(crate) older_than: Option<std::time::Duration>,
    /// The oldest segments may go while all take more bytes than this
    #[arg(long, value_name = "BYTES", group = "limits")]
    pub(crate) max_bytes: Option<u64>,
    /// Do it
    #[arg(long)]
    pub(crate) apply: bool,
}

/// Copy the store to another directory while it is written to
///
/// The target is a new directory or an earlier backup of the same store, to which only what is missing is copied. It is a store
/// that opens as it is. Interrupted, it says so, and the same command completes it.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where to
    pub(crate) target: PathBuf,
    /// Go on until Ctrl-C: copy what is new again and again
    #[arg(long)]
    pub(crate) follow: bool,
    /// From the beginning of one backup to that of the next
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::retain::age, requires = "follow")]
    pub(crate) interval: std::time::Duration,
}

/// What the demo kills
#[derive(Debug, Args)]
pub(crate) struct DemoWriter {
    pub(crate) dir: PathBuf,
}
