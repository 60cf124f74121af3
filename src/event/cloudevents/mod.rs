//! CloudEvents 1.0 in JSON, one event a line: what [`to_json_line`] writes, [`parse_json_line`] takes back unchanged.
//!
//! | attribute | of the event |
//! |---|---|
//! | `id`, `type`, `subject`, `dataschema`, `datacontenttype` | the same |
//! | `source` | its source; `orchestrix:` stands for none |
//! | `time` | its time as text: the text that it came with, if that was another way to write the moment |
//! | `correlationid`, `causationid`, `traceparent` | correlation, causation, trace parent |
//! | `schemaversion` | its schema version: an integer, or its decimal text if it is above 2,147,483,647 |
//! | `tags` | its tags with commas between; `\` stands before a comma or `\` that is part of a tag |
//! | `streamid`, `streamrevision`, `globalposition` | where it was read; of these only the first is looked at when it is read back |
//! | any other | an extension, with its type |
//!
//! Data stands in `data` if it can byte for byte: as it is, if it is JSON in one line and its content type is a JSON one or
//! none; between quotation marks, if it is text without escapes and its content type is `text/*`. Else it stands in
//! `data_base64`. An event without data has neither; `"data":null` is the JSON value `null`.

mod attributes;
mod parse;
#[cfg(test)]
mod tests;
mod time;
mod write;

pub use parse::{ImportedEvent, ParseError, parse_json_line};
pub use write::to_json_line;

/// The source that events without one are written with.
const NO_SOURCE: &str = "orchestrix:";
