//! How a cell looks, and the SGR sequence that says so.

use std::io::Write;

/// A colour by the way it was chosen, which xterm.js keeps apart: themes and bold change only some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// The terminal's own.
    #[default]
    Default,
    /// SGR 30 to 37 and 90 to 97: 0 to 15.
    Basic(u8),
    /// SGR 38;5.
    Palette(u8),
    /// SGR 38;2.
    Rgb(u8, u8, u8),
}

/// The attributes that are on or off: a set of bits, see [`Effects::SGR`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects(u8);

impl Effects {
    /// SGR 1.
    pub const BOLD: Self = Self(1);
    /// SGR 2.
    pub const DIM: Self = Self(1 << 1);
    /// SGR 3.
    pub const ITALIC: Self = Self(1 << 2);
    /// SGR 5.
    pub const BLINK: Self = Self(1 << 3);
    /// SGR 7.
    pub const INVERSE: Self = Self(1 << 4);
    /// SGR 8.
    pub const HIDDEN: Self = Self(1 << 5);
    /// SGR 9.
    pub const STRIKE: Self = Self(1 << 6);

    const SGR: [(Self, u8); 7] = [
        (Self::BOLD, 1),
        (Self::DIM, 2),
        (Self::ITALIC, 3),
        (Self::BLINK, 5),
        (Self::INVERSE, 7),
        (Self::HIDDEN, 8),
        (Self::STRIKE, 9),
    ];

    pub(super) fn set(&mut self, effects: Self, on: bool) {
        if on {
            self.0 |= effects.0;
        }
    }

    /// Whether these are on.
    pub fn has(self, effects: Self) -> bool {
        self.0 & effects.0 != 0
    }
}

/// How a cell looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// The text's.
    pub foreground: Colour,
    /// What is behind it.
    pub background: Colour,
    /// SGR 4:n; 0: none.
    pub underline: u8,
    /// Of the line below.
    pub underline_colour: Colour,
    /// What is on.
    pub effects: Effects,
    /// The number of a hyperlink; 0: none.
    pub link: u32,
}

impl Style {
    /// Says whether a blank of this style looks like a blank of none.
    pub(super) fn invisible_on_blank(&self) -> bool {
        self.background == Colour::Default
            && self.underline == 0
            && !self.effects.has(Effects(Effects::INVERSE.0 | Effects::STRIKE.0))
            && self.link == 0
    }

    /// Writes the SGR sequence that leads from `pen` to this style, hyperlinks aside.
    pub(super) fn write_sgr(self, pen: Self, out: &mut Vec<u8>) {
        let (old, new) = (Self { link: 0, ..pen }, Self { link: 0, ..self });
        if old == new {
            return;
        }
        let faded = |old: Colour, new: Colour| new == Colour::Default && old != Colour::Default;
        let takes_away = old.effects.0 & !new.effects.0 != 0
            || (old.underline != 0 && old.underline != new.underline)
            || faded(old.foreground, new.foreground)
            || faded(old.background, new.background)
            || faded(old.underline_colour, new.underline_colour);
        let mut params = Params { out, any: false };
        let base = if takes_away {
            params.push(format_args!("0"));
            Self::default()
        } else {
            old
        };
        for (effect, code) in Effects::SGR {
            if new.effects.has(effect) && !base.effects.has(effect) {
                params.push(format_args!("{code}"));
            }
        }
        match new.underline {
            same if same == base.underline => {}
            1 => params.push(format_args!("4")),
            kind => params.push(format_args!("4:{kind}")),
        }
        if new.foreground != base.foreground {
            params.colour(new.foreground, 30);
        }
        if new.background != base.background {
            params.colour(new.background, 40);
        }
        if new.underline_colour != base.underline_colour {
            match new.underline_colour {
                Colour::Default => {}
                Colour::Basic(n) | Colour::Palette(n) => params.push(format_args!("58:5:{n}")),
                Colour::Rgb(r, g, b) => params.push(format_args!("58:2::{r}:{g}:{b}")),
            }
        }
        params.out.push(b'm');
    }
}

/// Writes the parameters of one SGR sequence.
struct Params<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl Params<'_> {
    fn push(&mut self, param: std::fmt::Arguments<'_>) {
        self.out.extend_from_slice(if self.any { b";" } else { b"\x1b[" });
        self.any = true;
        // Writing into a vector cannot fail.
        drop(self.out.write_fmt(param));
    }

    /// `base`: 30 for the foreground, 40 for the background.
    fn colour(&mut self, colour: Colour, base: u8) {
        match colour {
            Colour::Default => {}
            Colour::Basic(n @ 0..8) => self.push(format_args!("{}", base + n)),
            Colour::Basic(n) => self.push(format_args!("{}", base + 60 + (n & 7))),
            Colour::Palette(n) => self.push(format_args!("{};5;{n}", base + 8)),
            Colour::Rgb(r, g, b) => self.push(format_args!("{};2;{r};{g};{b}", base + 8)),
        }
    }
}
