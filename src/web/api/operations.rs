//! The API's own routes: what each is called, takes and answers.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::health::REMEMBERED_TRANSITIONS;
use crate::view::report::{Event, Events, Filter, Report, ReportHead, ReportRow};
use crate::web::api::USUAL_EVENTS;
use crate::web::api::surface::{Answer, AnswerHeader, Content, Operation, Parameter, Place, Verb};

pub(super) fn report() -> Operation {
    Operation {
        method: Verb::Get,
        path: "/api/v1/backendhealth",
        id: "getReport",
        summary: "The report",
        description: "Every row, or those that the filters let through, in the configuration's order. It changes when a \
                      probe ends, never because somebody asks for it; a client that has it gets 304.",
        parameters: [filters(), cached_parameters()].into_iter().flatten().collect(),
        body: None,
        answers: vec![
            Answer::json(200, "The report.", of::<Report>).with(&CACHED),
            not_modified(),
            bad_parameter(),
            busy(),
        ],
    }
}

pub(super) fn row() -> Operation {
    Operation {
        method: Verb::Get,
        path: "/api/v1/backendhealth/{id}",
        id: "getRow",
        summary: "One row",
        description: "One row of the report.",
        parameters: [vec![row_id()], cached_parameters()].into_iter().flatten().collect(),
        body: None,
        answers: vec![
            Answer::json(200, "The row.", of::<ReportRow>).with(&CACHED),
            not_modified(),
            Answer::error(404, "There is no such row, perhaps no longer."),
            busy(),
        ],
    }
}

pub(super) fn events() -> Operation {
    Operation {
        method: Verb::Get,
        path: "/api/v1/events",
        id: "getEvents",
        summary: "The latest changes of state",
        description: "Changes of state of the last seven days and since the exporter started, at most the latest 100,000, \
                      or those of them that the filters let through, the latest first.",
        parameters: [filters(), vec![since(), limit()], cached_parameters()].into_iter().flatten().collect(),
        body: None,
        answers: vec![
            Answer::json(200, "The changes.", of::<Events>).with(&CACHED),
            not_modified(),
            bad_parameter(),
            busy(),
        ],
    }
}

pub(super) fn stream() -> Operation {
    Operation {
        method: Verb::Get,
        path: "/api/v1/stream",
        id: "streamEvents",
        summary: "Changes of state as they come",
        description: "Server-sent events. `event: transition` is a change of state: its `id` is its number, its data is an \
                      `Event` (`#/components/schemas/Event`). `event: report` is how the report of all rows stands \
                      (`#/components/schemas/ReportHead`): at once, and then at most once a second and only when \
                      something changed. A comment is a sign of life, every 15 seconds without an event. The filters are \
                      for changes alone. Of changes that are not fetched in time the latest 100,000 of seven days are kept; numbers that \
                      are left out were lost.",
        parameters: [filters(), vec![last_event_id()]].into_iter().flatten().collect(),
        body: None,
        answers: vec![
            Answer {
                status: 200,
                description: "Events, until the client leaves or the exporter ends.",
                headers: Vec::new(),
                contents: vec![Content { media_type: "text/event-stream", schema: Box::new(events_of_a_stream) }],
            },
            bad_parameter(),
            Answer::error(503, "The limit of streaming clients is reached.").with(&[RETRY_AFTER]),
        ],
    }
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

fn events_of_a_stream(schemas: &mut SchemaGenerator) -> Schema {
    // The text has no schema, but what stands in it has.
    schemas.subschema_for::<Event>();
    schemas.subschema_for::<ReportHead>();
    json_schema!({ "type": "string" })
}

fn filters() -> Vec<Parameter> {
    let parameter = |key: &crate::view::report::FilterKey| {
        let values = (key.values)();
        Parameter {
            name: key.name,
            place: Place::Query,
            description: key.meaning,
            schema: Box::new(move |_| {
                let item = match values.as_slice() {
                    [] => json_schema!({ "type": "string" }),
                    values => json_schema!({ "type": "string", "enum": values }),
                };
                json_schema!({ "type": "array", "items": item })
            }),
        }
    };
    Filter::KEYS.iter().map(parameter).collect()
}

fn since() -> Parameter {
    Parameter {
        name: "since",
        place: Place::Query,
        description: "Only changes at this time or later.",
        schema: Box::new(|_| json_schema!({ "type": "string", "format": "date-time" })),
    }
}

fn limit() -> Parameter {
    Parameter {
        name: "limit",
        place: Place::Query,
        description: "No more than so many.",
        schema: Box::new(|_| {
            let (usual, most) = (USUAL_EVENTS, REMEMBERED_TRANSITIONS);
            json_schema!({ "type": "integer", "minimum": 1, "maximum": most, "default": usual })
        }),
    }
}

fn row_id() -> Parameter {
    Parameter {
        name: "id",
        place: Place::Path,
        description: "The row's id in the report.",
        schema: Box::new(|_| json_schema!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })),
    }
}

fn last_event_id() -> Parameter {
    Parameter {
        name: "Last-Event-ID",
        place: Place::Header,
        description: "The last id that the client saw: changes since then come first. Browsers send it by themselves.",
        schema: Box::new(|_| json_schema!({ "type": "integer", "minimum": 0 })),
    }
}

/// Of a route whose answers a client may keep, and have compressed.
pub(super) fn cached_parameters() -> Vec<Parameter> {
    let header = |name, description| Parameter {
        name,
        place: Place::Header,
        description,
        schema: Box::new(|_| json_schema!({ "type": "string" })),
    };
    vec![
        header("If-None-Match", "The ETag of the answer that the client has, several of them, or `*`."),
        header("Accept-Encoding", "With `gzip` the answer is compressed."),
    ]
}

pub(super) const CACHED: [AnswerHeader; 3] = [
    AnswerHeader { name: "ETag", description: "Names this answer: for `If-None-Match`." },
    AnswerHeader { name: "Cache-Control", description: "`no-cache`: keep it, but ask whether it still holds." },
    AnswerHeader { name: "Content-Encoding", description: "`gzip` when the client takes it." },
];

pub(super) const RETRY_AFTER: AnswerHeader = AnswerHeader { name: "Retry-After", description: "Seconds." };

pub(super) fn not_modified() -> Answer {
    let [tag, cache, _] = CACHED;
    Answer { status: 304, description: "The client has it already.", headers: vec![tag, cache], contents: Vec::new() }
}

fn bad_parameter() -> Answer {
    Answer::error(400, "A parameter or value does not exist; the message names what does.")
}

fn busy() -> Answer {
    Answer::error(503, "Too many answers are being written.").with(&[RETRY_AFTER])
}
