//! The scene as SVG: every part becomes a box of lines, the boxes stand in blocks, and the blocks beside or below each
//! other. Colours and fonts are the style sheet's.

use maud::{Markup, html};

use super::measure::{Weight, wrap};
use super::part::{Kind, Mark, Note, Part, Progress};
use super::scene::Scene;

/// For wide windows and for narrow ones.
pub(super) fn both(scene: &Scene) -> Markup {
    html! {
        (wide(scene))
        (tall(scene))
    }
}

const NAME: &str = "What the gateway uses, how far the latest probe came, and what the backend server sent";
const CLIENT: &str = "whoever uses the service";

/// Size of most letters, and of the small ones.
const SIZE: usize = 14;
const SMALL: usize = 12;
const LINE: usize = 19;
/// Between a block's edge and its parts, and between a part's edge and its text.
const PAD: usize = 14;
const ICON: usize = 16;
/// Between parts, and where a certificate is linked with the next one.
const GAP: usize = 8;
const LINK: usize = 22;
/// Above a block's first part.
const HEAD: usize = 44;

fn wide(scene: &Scene) -> Markup {
    const CLIENT_WIDTH: usize = 130;
    const GATEWAY_X: usize = CLIENT_WIDTH + 44;
    const GATEWAY_WIDTH: usize = 296;
    const LINE_X: usize = GATEWAY_X + GATEWAY_WIDTH;
    const LINE_WIDTH: usize = 206;
    const SERVER_X: usize = LINE_X + LINE_WIDTH;
    const SERVER_WIDTH: usize = 424;
    let gateway = Column::of(&scene.gateway, GATEWAY_WIDTH);
    let server = Column::of(&scene.server, SERVER_WIDTH);
    let steps: Vec<Arrow> = scene.line.iter().map(|part| Arrow::of(part, LINE_WIDTH)).collect();
    let steps_height = HEAD + steps.iter().map(|step| step.height).sum::<usize>();
    let height = gateway.height.max(server.height).max(steps_height);
    let mut y = HEAD;
    html! {
        svg.picture.wide viewBox={ "0 0 " (SERVER_X + SERVER_WIDTH) " " (height) } role="group" aria-label=(NAME) {
            (client(0, 0, CLIENT_WIDTH, height))
            path.way d={ "M" (CLIENT_WIDTH) " " (HEAD + 40) "H" (GATEWAY_X) } aria-hidden="true" {}
            (gateway.block("Gateway", GATEWAY_X, 0, height))
            g role="group" aria-label="The way to the server" {
                @for step in &steps {
                    (step.across(LINE_X, y, LINE_WIDTH))
                    @let () = y += step.height;
                }
            }
            (server.block("Backend server", SERVER_X, 0, height))
        }
    }
}

fn tall(scene: &Scene) -> Markup {
    const WIDTH: usize = 360;
    const CLIENT_HEIGHT: usize = 62;
    const BETWEEN: usize = 24;
    let gateway = Column::of(&scene.gateway, WIDTH);
    let server = Column::of(&scene.server, WIDTH);
    let gateway_y = CLIENT_HEIGHT + BETWEEN;
    let line_y = gateway_y + gateway.height;
    let steps: Vec<Arrow> = scene.line.iter().map(|part| Arrow::of(part, WIDTH - 3 * PAD)).collect();
    let server_y = line_y + steps.iter().map(Arrow::down_height).sum::<usize>() + PAD;
    let mut y = line_y;
    html! {
        svg.picture.tall viewBox={ "0 0 " (WIDTH) " " (server_y + server.height) } role="group" aria-label=(NAME) {
            (client(0, 0, WIDTH, CLIENT_HEIGHT))
            path.way d={ "M" (2 * PAD) " " (CLIENT_HEIGHT) "V" (gateway_y) } aria-hidden="true" {}
            (gateway.block("Gateway", 0, gateway_y, gateway.height))
            g role="group" aria-label="The way to the server" {
                @for step in &steps {
                    (step.down(y))
                    @let () = y += step.down_height();
                }
                path.way d={ "M" (2 * PAD) " " (y) "V" (server_y) } aria-hidden="true" {}
            }
            (server.block("Backend server", 0, server_y, server.height))
        }
    }
}

/// The client's block: for orientation, nothing of it is checked.
fn client(x: usize, y: usize, width: usize, height: usize) -> Markup {
    let lines = wrap(CLIENT, width - 2 * PAD, SMALL, Weight::Regular, 4);
    html! {
        g.block.client role="group" aria-label="Client" {
            rect x=(x) y=(y) width=(width) height=(height) rx="8" {}
            text.title x=(x + PAD) y=(y + 28) { "Client" }
            @for (index, line) in lines.iter().enumerate() {
                text.small x=(x + PAD) y=(y + 48 + index * 16) { (line) }
            }
        }
    }
}

/// The parts of a block below each other.
struct Column<'a> {
    width: usize,
    height: usize,
    boxes: Vec<(usize, Laid<'a>)>,
}

impl<'a> Column<'a> {
    fn of(parts: &'a [Part], width: usize) -> Self {
        let mut y = HEAD;
        let mut boxes = Vec::new();
        for part in parts {
            let laid = Laid::of(part, width - 2 * PAD);
            let (height, linked) = (laid.height, laid.linked());
            boxes.push((y, laid));
            y += height + if linked { LINK } else { GAP };
        }
        Self { width, height: y - GAP + PAD, boxes }
    }

    fn block(&self, title: &str, x: usize, y: usize, height: usize) -> Markup {
        html! {
            g.block role="group" aria-label=(title) {
                rect x=(x) y=(y) width=(self.width) height=(height) rx="8" {}
                text.title x=(x + PAD) y=(y + 28) { (title) }
                @for (offset, laid) in &self.boxes {
                    (laid.draw(x + PAD, y + offset, self.width - 2 * PAD))
                    @if laid.linked() {
                        (issued_by(x + PAD + 22, y + offset + laid.height))
                    }
                }
            }
        }
    }
}

/// From a certificate down to the one that issued it.
fn issued_by(x: usize, y: usize) -> Markup {
    html! {
        g aria-hidden="true" {
            path.link d={ "M" (x) " " (y) "v" (LINK) "m-4 -6l4 6l4 -6" } {}
            text.small x=(x + 12) y=(y + 15) { "issued by" }
        }
    }
}

/// A part, broken into lines.
struct Laid<'a> {
    part: &'a Part,
    height: usize,
    lines: Vec<Text>,
}

struct Text {
    line: String,
    class: &'static str,
    /// Of a note: its icon stands before its first line.
    icon: Option<Mark>,
    indent: usize,
}

impl<'a> Laid<'a> {
    fn of(part: &'a Part, width: usize) -> Self {
        let room = width - 2 * inset(part);
        let mut lines = Vec::new();
        let mut add = |text: &str, room: usize, class, weight, size, max| {
            let wrapped = wrap(text, room, size, weight, max);
            lines.extend(wrapped.into_iter().map(|line| Text { line, class, icon: None, indent: 0 }));
        };
        let tag_room = if part.tag.is_empty() { 0 } else { 60 };
        add(&part.label, room - ICON - 6 - tag_room, "small", Weight::Regular, SMALL, 2);
        add(&part.value, room, "value", Weight::Bold, SIZE, 3);
        for line in &part.more {
            add(line, room, "small", Weight::Regular, SMALL, 2);
        }
        for note in &part.notes {
            let wrapped = wrap(&note.text, room - ICON - 8, SIZE, Weight::Bold, 6);
            lines.extend(wrapped.into_iter().enumerate().map(|(index, line)| Text {
                line,
                class: class(note.mark),
                icon: (index == 0).then_some(note.mark),
                indent: ICON + 8,
            }));
        }
        let height = lines.len() * LINE + 2 * margin(part);
        Self { part, height, lines }
    }

    fn linked(&self) -> bool {
        self.part.kind == Kind::Certificate { linked: true }
    }

    fn draw(&self, x: usize, y: usize, width: usize) -> Markup {
        let part = self.part;
        let mark = part.mark();
        let (left, top) = (x + inset(part), y + margin(part));
        let class = match part.kind {
            Kind::Slot => "part slot",
            Kind::Certificate { .. } => "part certificate",
            Kind::Fact | Kind::Step(_) | Kind::Remark => "part",
        };
        html! {
            g class={ (class) " " (self::class(mark)) } role="img" aria-label=(part.spoken()) {
                title { (full(part)) }
                rect x=(x) y=(y) width=(width) height=(self.height) rx="5" {}
                @for (index, line) in self.lines.iter().enumerate() {
                    @if let Some(mark) = line.icon { (icon(mark, left, top + index * LINE + 1)) }
                    text class=(line.class) x=(left + line.indent) y=(top + index * LINE + 14) { (line.line) }
                }
                @if !part.tag.is_empty() {
                    text.small text-anchor="end" x=(x + width - inset(part) - ICON - 6) y=(top + 14) { (part.tag) }
                }
                @if mark == Mark::Fine { (icon(mark, x + width - inset(part) - ICON, top)) }
            }
        }
    }
}

fn inset(part: &Part) -> usize {
    match (part.kind, part.mark()) {
        (Kind::Remark, Mark::None) => 0,
        (Kind::Fact | Kind::Certificate { .. } | Kind::Slot | Kind::Step(_) | Kind::Remark, _) => 10,
    }
}

fn margin(part: &Part) -> usize {
    match part.kind {
        Kind::Fact | Kind::Step(_) | Kind::Remark => 4,
        Kind::Certificate { .. } | Kind::Slot => 8,
    }
}

/// Everything that a part says, uncut.
fn full(part: &Part) -> String {
    let Part { kind: _, label, tag, value, more, notes, is_fine: _ } = part;
    let notes = notes.iter().map(|note| note.text.as_str());
    let lines = [label.as_str(), tag, value].into_iter().chain(more.iter().map(String::as_str)).chain(notes);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A step on the line.
struct Arrow<'a> {
    part: &'a Part,
    height: usize,
    label: Vec<String>,
    value: Vec<String>,
    /// The icon on the line is theirs, too.
    notes: Vec<(Mark, String)>,
}

impl<'a> Arrow<'a> {
    fn of(part: &'a Part, width: usize) -> Self {
        let room = width - 2 * PAD;
        let label = wrap(&part.label, room, SIZE, Weight::Bold, 1);
        let value = wrap(&part.value, room, SMALL, Weight::Regular, 1);
        let lines = |note: &Note| wrap(&note.text, room, SIZE, Weight::Bold, 3);
        let notes: Vec<_> =
            part.notes.iter().flat_map(|note| lines(note).into_iter().map(|line| (note.mark, line))).collect();
        Self { part, height: 64 + notes.len() * LINE, label, value, notes }
    }

    fn progress(&self) -> Progress {
        match self.part.kind {
            Kind::Step(progress) => progress,
            Kind::Fact | Kind::Certificate { .. } | Kind::Slot | Kind::Remark => Progress::Unclear,
        }
    }

    fn group(&self, content: &Markup) -> Markup {
        html! {
            g class={ "step " (class(self.part.mark())) } role="img" aria-label=(self.spoken()) {
                title { (full(self.part)) }
                (content)
            }
        }
    }

    fn spoken(&self) -> String {
        match self.progress() {
            Progress::Done => self.part.spoken().replacen(&self.part.label, &format!("{}: done,", self.part.label), 1),
            Progress::Failed | Progress::Unclear | Progress::NotReached => {
                self.part.spoken().replacen(&self.part.label, &format!("{}:", self.part.label), 1)
            }
        }
    }

    /// From left to right, with its words above and its faults below.
    fn across(&self, x: usize, y: usize, width: usize) -> Markup {
        let (from, to, middle) = (x, x + width, x + width / 2);
        let level = y + 30;
        self.group(&html! {
            text.value text-anchor="middle" x=(middle) y=(y) { @for text in &self.label { (text) } }
            text.small text-anchor="middle" x=(middle) y=(y + 17) { @for text in &self.value { (text) } }
            @match self.progress() {
                Progress::Done => {
                    path.way d={ "M" (from) " " (level) "H" (to - 2) "m-8 -5l8 5l-8 5" } {}
                    (icon(self.part.mark(), middle - ICON / 2, level - ICON / 2))
                }
                Progress::Failed => {
                    path.way d={ "M" (from) " " (level) "H" (middle - ICON) } {}
                    path.way.broken d={ "M" (middle + ICON) " " (level) "H" (to - 2) } {}
                    (icon(Mark::Faulty, middle - ICON / 2, level - ICON / 2))
                }
                Progress::Unclear | Progress::NotReached => {
                    path.way.broken d={ "M" (from) " " (level) "H" (to - 2) } {}
                }
            }
            (self.noted("middle", middle, level + 26))
        })
    }

    fn down_height(&self) -> usize {
        44 + self.notes.len() * LINE
    }

    /// From top to bottom, with everything on its right.
    fn down(&self, y: usize) -> Markup {
        let x = 2 * PAD;
        let end = y + self.down_height();
        let (center, text) = (y + 24, x + 24);
        self.group(&html! {
            @match self.progress() {
                Progress::Done => {
                    path.way d={ "M" (x) " " (y) "V" (end) } {}
                    (icon(self.part.mark(), x - ICON / 2, center - ICON / 2))
                }
                Progress::Failed => {
                    path.way d={ "M" (x) " " (y) "V" (center - ICON) } {}
                    path.way.broken d={ "M" (x) " " (center + ICON) "V" (end) } {}
                    (icon(Mark::Faulty, x - ICON / 2, center - ICON / 2))
                }
                Progress::Unclear | Progress::NotReached => {
                    path.way.broken d={ "M" (x) " " (y) "V" (end) } {}
                }
            }
            text.value x=(text) y=(y + 20) { @for line in &self.label { (line) } }
            text.small x=(text) y=(y + 37) { @for line in &self.value { (line) } }
            (self.noted("start", text, y + 55))
        })
    }

    fn noted(&self, anchor: &str, x: usize, y: usize) -> Markup {
        html! {
            @for (index, (mark, line)) in self.notes.iter().enumerate() {
                text class=(class(*mark)) text-anchor=(anchor) x=(x) y=(y + index * LINE) { (line) }
            }
        }
    }
}

fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::None => "plain",
        Mark::Fine => "fine",
        Mark::Warning => "warned",
        Mark::Faulty => "faulty",
    }
}

/// A square with a cross, a triangle with an exclamation mark, or a disc with a tick.
fn icon(mark: Mark, x: usize, y: usize) -> Markup {
    html! {
        @match mark {
            Mark::None => {},
            Mark::Fine => g.icon.fine transform={ "translate(" (x) " " (y) ")" } {
                circle cx="8" cy="8" r="7.5" {}
                path d="M4.5 8.3l2.4 2.4l4.6-5" {}
            },
            Mark::Warning => g.icon.warned transform={ "translate(" (x) " " (y) ")" } {
                path.body d="M8 .8L15.6 14.8H.4z" {}
                path d="M8 5.6v4.4M8 12.3v.1" {}
            },
            Mark::Faulty => g.icon.faulty transform={ "translate(" (x) " " (y) ")" } {
                rect x=".5" y=".5" width="15" height="15" rx="2" {}
                path d="M5 5l6 6m0-6l-6 6" {}
            },
        }
    }
}
