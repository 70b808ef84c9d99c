//! What travels between asker and driver, opaque to the relay: knocks, answers, orders, reports.

use zeroize::Zeroizing;

use crate::encoding::take_array;
use crate::entropy::Entropy;
use crate::id::DriverId;
use crate::keys::driver::{DriverKey, DriverSecret};
use crate::keys::epoch::{AgreementKey, AgreementPublic, EpochId};
use crate::keys::owner::{OwnerPublic, Purpose, Signature};
use crate::keys::{LABEL, derive, hash};
use crate::seal::{open_random, seal_random};
use crate::time::UnixMs;

/// Fresh bytes of an asker's, which the driver's answer signs.
pub(super) type KnockChallenge = [u8; 32];

fn data(kind: &str, place: &[u8], rest: &[u8]) -> Vec<u8> {
    [LABEL.as_bytes(), kind.as_bytes(), b"\0", place, rest].concat()
}

/// What an asker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking<'a> {
    /// A key and a challenge, sealed under the driver's secret.
    Knock(&'a [u8]),
    /// An order.
    Order { number: u64, beat: u64, sealed: &'a [u8] },
}

impl<'a> Asking<'a> {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Knock(sealed) => [&[1], sealed].concat(),
            Self::Order { number, beat, sealed } => {
                [&[2], &number.to_be_bytes()[..], &beat.to_be_bytes(), sealed].concat()
            }
        }
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        match kind {
            1 => Some(Self::Knock(rest)),
            2 => {
                let number = u64::from_be_bytes(take_array(&mut rest)?);
                let beat = u64::from_be_bytes(take_array(&mut rest)?);
                Some(Self::Order { number, beat, sealed: rest })
            }
            _ => None,
        }
    }
}

/// What a driver sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling<'a> {
    /// To a knock.
    Answer(Answer),
    /// To a knock that does not open.
    Refusal(OwnerPublic, Signature),
    /// A report.
    Report { number: u64, sealed: &'a [u8] },
}

/// A driver's answer to a knock: its boot, a key of that boot, and a beat, signed together with what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) public: OwnerPublic,
    pub(super) boot: EpochId,
    pub(super) agreement: AgreementPublic,
    pub(super) beat: u64,
    pub(super) signature: Signature,
}

impl Answer {
    fn body(&self, asker: AgreementPublic, challenge: &KnockChallenge) -> Vec<u8> {
        let Self { boot, agreement, beat, .. } = self;
        [&asker.0[..], challenge, &boot.to_bytes(), &agreement.0, &beat.to_be_bytes()].concat()
    }

    pub(super) fn sign(
        mut self,
        key: &DriverKey,
        asker: AgreementPublic,
        challenge: &KnockChallenge,
    ) -> Self {
        self.signature = key.owner().sign(Purpose::DriverAnswer, &self.body(asker, challenge));
        self
    }

    /// Whether this driver gave it to this knock.
    pub(super) fn verify(
        &self,
        driver: DriverId,
        asker: AgreementPublic,
        challenge: &KnockChallenge,
    ) -> bool {
        self.public.driver_id() == driver
            && self.public.verify(Purpose::DriverAnswer, &self.body(asker, challenge), &self.signature)
    }
}

fn refusal(knock: &[u8]) -> [u8; 32] {
    hash("driver knock", &[knock])
}

/// A driver's word that a knock does not open.
pub(super) fn refuse(key: &DriverKey, knock: &[u8]) -> Vec<u8> {
    Telling::Refusal(key.public(), key.owner().sign(Purpose::DriverRefusal, &refusal(knock))).encode()
}

/// Whether this driver refused this knock.
pub(super) fn is_refusal(driver: DriverId, public: OwnerPublic, signature: &Signature, knock: &[u8]) -> bool {
    public.driver_id() == driver && public.verify(Purpose::DriverRefusal, &refusal(knock), signature)
}

impl<'a> Telling<'a> {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Answer(Answer { public, boot, agreement, beat, signature }) => {
                let beat = beat.to_be_bytes();
                [&[1], &public.0[..], &signature.0, &boot.to_bytes(), &agreement.0, &beat].concat()
            }
            Self::Refusal(public, signature) => [&[2], &public.0[..], &signature.0].concat(),
            Self::Report { number, sealed } => [&[3], &number.to_be_bytes()[..], sealed].concat(),
        }
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        let told = match kind {
            1 => {
                let (public, signature) = (OwnerPublic(take_array(rest)?), Signature(take_array(rest)?));
                let start = UnixMs(u64::from_be_bytes(take_array(rest)?));
                let boot = EpochId { start, random: u64::from_be_bytes(take_array(rest)?) };
                let agreement = AgreementPublic(take_array(rest)?);
                let beat = u64::from_be_bytes(take_array(rest)?);
                Self::Answer(Answer { public, boot, agreement, beat, signature })
            }
            2 => Self::Refusal(OwnerPublic(take_array(rest)?), Signature(take_array(rest)?)),
            3 => {
                let number = u64::from_be_bytes(take_array(rest)?);
                return Some(Self::Report { number, sealed: rest });
            }
            _ => return None,
        };
        rest.is_empty().then_some(told)
    }
}

fn knock_key(driver: DriverId, secret: &DriverSecret) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(derive(&driver.0, &secret.0, "driver knock key", &[]))
}

/// Seals a knock.
pub(super) fn knock(
    driver: DriverId,
    secret: &DriverSecret,
    asker: AgreementPublic,
    (challenge, number): (&KnockChallenge, u64),
    entropy: &mut Entropy,
) -> Vec<u8> {
    let plain = [&asker.0[..], challenge, &number.to_be_bytes()].concat();
    seal_random(&knock_key(driver, secret), &data("driver knock up", &driver.0, &[]), &plain, entropy)
}

/// Opens a knock: whose, the challenge, and its number.
pub(super) fn open_knock(
    driver: DriverId,
    secret: &DriverSecret,
    sealed: &[u8],
) -> Option<(AgreementPublic, KnockChallenge, u64)> {
    let aad = data("driver knock up", &driver.0, &[]);
    let plain = open_random(&knock_key(driver, secret), &aad, sealed)?;
    let mut rest = plain.as_slice();
    let (asker, challenge) = (AgreementPublic(take_array(&mut rest)?), take_array(&mut rest)?);
    let number = u64::from_be_bytes(take_array(&mut rest)?);
    rest.is_empty().then_some((asker, challenge, number))
}

/// The keys of one asker and one boot of a driver, one for each direction.
pub(super) struct Keys {
    up: Zeroizing<[u8; 32]>,
    down: Zeroizing<[u8; 32]>,
    place: Vec<u8>,
}

impl Keys {
    /// `None` if the other side's key is one that would make them predictable.
    pub(super) fn new(
        (ours, theirs): (&AgreementKey, AgreementPublic),
        secret: &DriverSecret,
        (driver, boot, asker): (DriverId, EpochId, AgreementPublic),
    ) -> Option<Self> {
        let agreed = Zeroizing::new(ours.agree(theirs)?);
        let place = [&driver.0[..], &boot.to_bytes(), &asker.0].concat();
        let key = |label| Zeroizing::new(derive(&secret.0, &agreed[..], label, &place));
        Some(Self { up: key("driver up key"), down: key("driver down key"), place })
    }

    fn order_data(&self, number: u64, beat: u64) -> Vec<u8> {
        data("driver order up", &self.place, &[number.to_be_bytes(), beat.to_be_bytes()].concat())
    }

    fn report_data(&self, number: u64) -> Vec<u8> {
        data("driver report down", &self.place, &number.to_be_bytes())
    }

    pub(super) fn seal_order(&self, number: u64, beat: u64, plain: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        let sealed = seal_random(&self.up, &self.order_data(number, beat), plain, entropy);
        Asking::Order { number, beat, sealed: &sealed }.encode()
    }

    pub(super) fn open_order(&self, number: u64, beat: u64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open_random(&self.up, &self.order_data(number, beat), sealed).map(Zeroizing::new)
    }

    pub(super) fn seal_report(&self, number: u64, plain: &[u8], entropy: &mut Entropy) -> Vec<u8> {
        let sealed = seal_random(&self.down, &self.report_data(number), plain, entropy);
        Telling::Report { number, sealed: &sealed }.encode()
    }

    pub(super) fn open_report(&self, number: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        open_random(&self.down, &self.report_data(number), sealed)
    }
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys(…)")
    }
}
