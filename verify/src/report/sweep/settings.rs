//! What tells the groups of a sweep apart, and what all of them have in common.

use crate::lab::sweep::{Answer, Group};
use crate::text::number;
use crate::text::plain::plain;

/// One thing that a group is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    EtaW,
    Alpha,
    Growth,
    EtaG,
    CG,
    AlphaG,
    Rule,
    Normalisation,
    Instance,
}

use Setting::*;

/// How settings are called: [`Setting::name`] on a terminal, as in `runs.csv`, and [`Setting::symbol`] on a page.
pub(super) type Called = fn(Setting) -> &'static str;

/// As the tables have them.
pub(super) const ALL: [Setting; 9] = [Instance, Normalisation, Rule, EtaW, Alpha, Growth, EtaG, CG, AlphaG];

impl Setting {
    /// The column of the tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            EtaW => "eta_w",
            Alpha => "alpha",
            Growth => "growth",
            EtaG => "eta_g",
            CG => "c_g",
            AlphaG => "alpha_g",
            Rule => "rule",
            Normalisation => "normalisation",
            Instance => "instance",
        }
    }

    /// The symbol of the paper.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            EtaW => "η_w",
            Alpha => "α",
            EtaG => "η_g",
            AlphaG => "α_g",
            other => other.name(),
        }
    }

    /// Whether it is a word, and not a number.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Rule | Normalisation | Instance)
    }

    /// Whether it runs over ratios rather than differences.
    pub(super) fn is_ratio(self) -> bool {
        matches!(self, EtaW | EtaG)
    }

    /// That of a group, where it is a number and there is one.
    pub(super) fn number(self, group: &Group) -> Option<f64> {
        let of = &group.setting;
        match self {
            EtaW => Some(of.eta_w),
            Alpha => Some(of.alpha),
            Growth => Some(of.growth),
            EtaG => of.eta_g,
            CG => group.c_g,
            AlphaG => of.alpha_g,
            Rule | Normalisation | Instance => None,
        }
    }

    /// That of a group, to be shown: what a plan wrote cannot command a terminal.
    pub(super) fn shown(self, group: &Group) -> String {
        match self {
            Rule => plain(&group.setting.rule).into_owned(),
            Normalisation => plain(&group.setting.normalisation).into_owned(),
            Instance => plain(&group.setting.instance).into_owned(),
            _ => self.number(group).map_or_else(|| number::NONE.to_owned(), number::exact),
        }
    }

    /// `eta_w = 0.1`, or the word.
    pub(super) fn said(self, group: &Group, called: Called) -> String {
        match self.is_text() {
            true => self.shown(group),
            false => format!("{} = {}", called(self), self.shown(group)),
        }
    }
}

/// What differs from group to group, in the order of the tables. c_g stands for the eta_g that it has set, and an
/// instance for a normalisation that goes with it.
pub(super) fn varying(answer: &Answer) -> Vec<Setting> {
    // Where there is no g, nothing differs in its rate.
    let differs = |of: Setting| {
        let has = |group: &&Group| of.is_text() || of.number(group).is_some();
        let mut shown = answer.groups.iter().filter(has).map(|group| of.shown(group));
        shown.next().is_some_and(|first| shown.any(|other| other != first))
    };
    let by_c_g = answer.groups.iter().any(|group| group.c_g.is_some());
    let goes_with = answer.groups.iter().all(|a| {
        let same = answer.groups.iter().find(|b| b.setting.instance == a.setting.instance);
        same.is_none_or(|b| b.setting.normalisation == a.setting.normalisation)
    });
    ALL.into_iter()
        .filter(|&of| match of {
            EtaG if by_c_g => false,
            Normalisation if goes_with => false,
            _ => differs(of),
        })
        .collect()
}

/// What all have in common, without what is as it is where nothing is said.
pub(super) fn common(answer: &Answer, called: Called) -> Vec<String> {
    let varies = varying(answer);
    // The first that has it.
    let first = |of: &Setting| answer.groups.iter().find(|group| of.is_text() || of.number(group).is_some());
    let said = |of: &Setting| {
        let first = first(of)?;
        let plain = match of {
            Alpha | AlphaG => of.number(first).is_none_or(|x| x == 0.0),
            Growth => of.number(first) == Some(1.0),
            EtaG | CG => of.number(first).is_none(),
            Normalisation => first.setting.normalisation == "closed-form",
            _ => false,
        };
        // eta_g differs where c_g has set it for several instances.
        let other = |group: &Group| !of.is_text() && of.number(group).is_some_and(|x| Some(x) != of.number(first));
        let same = !answer.groups.iter().any(other);
        (!plain && same && !varies.contains(of)).then(|| of.said(first, called))
    };
    ALL.iter().filter_map(said).collect()
}

/// What tells a group from the others, in words.
pub(super) fn apart(group: &Group, varying: &[Setting], called: Called) -> String {
    let said: Vec<String> = varying.iter().map(|of| of.said(group, called)).collect();
    if said.is_empty() { "all runs".to_owned() } else { said.join(", ") }
}
