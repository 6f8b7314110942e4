//! Clients of a system that serves them: their hellos, and the frames around requests and answers (protocol.md,
//! section 2.1). What is asked and answered is the system's.
//!
//! ```text
//!   request:  kind | ticket varint |         the system's body        the ticket is the client's own
//!   answer:   kind | ticket varint | last u8 | the system's body
//! ```

use super::{
    Message,
    control::ErrorCode,
    field::{FieldError, Fields, write_varint},
    frame::{FRAME_LENGTH_MAX, HEADER_BYTES, encode_frame},
    handshake::{CLIENT, CONTROLLER, Hello, NOT_COUNTED, Refusal, RunId, Standing, Trust},
};

/// The run of a client that does not know it: any.
const ANY_RUN: &str = "any";

/// What stands before a system's body in an answer, kind included: a body has to be so much shorter than a frame.
pub const ANSWER_EXTRA_BYTES_MAX: usize = 12;

/// An answer as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The ticket that the client gave the request.
    pub ticket: u64,
    /// Whether no other answer to it follows.
    pub is_last: bool,
    /// What it says.
    pub reply: T,
}

impl Hello {
    /// The hello of a client to whichever machine listens; of `run`, or of whichever it is.
    ///
    /// # Panics
    /// Never: `any` can name a run.
    #[must_use]
    pub fn of_client(system: u8, run: Option<&RunId>, trust: Trust) -> Self {
        let Ok(any) = ANY_RUN.parse() else {
            unreachable!("`{ANY_RUN}` can name a run");
        };
        Self {
            system,
            machines: NOT_COUNTED,
            sender: CLIENT,
            receiver: CONTROLLER,
            incarnation: 1,
            trust,
            standing: run.map_or(Standing::Proposed, |_| Standing::Given),
            run: run.cloned().unwrap_or(any),
        }
    }

    /// Judges a client's hello by `self`, the hello of the machine that it came to.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule of protocol.md, section 2, that it breaks.
    pub fn judge_client(&self, hello: &Hello) -> Result<(), Refusal> {
        self.trust.judge(&hello.trust)?;
        if hello.system != self.system {
            let text = format!(
                "you ask system {}, this machine runs system {}",
                hello.system, self.system
            );
            return Err(Refusal::new(ErrorCode::WrongSystem, text));
        }
        if hello.machines != NOT_COUNTED {
            let text = format!("a client counts no machines: 0, not {}", hello.machines);
            return Err(Refusal::new(ErrorCode::WrongMachines, text));
        }
        if hello.receiver != self.sender && hello.receiver != CONTROLLER {
            let text = format!(
                "you look for machine {}, this is machine {}",
                hello.receiver, self.sender
            );
            return Err(Refusal::new(ErrorCode::WrongReceiver, text));
        }
        if hello.standing == Standing::Given && hello.run != self.run {
            let text = format!(
                "you ask run `{}`, machine {} is in run `{}`",
                hello.run, self.sender, self.run
            );
            return Err(Refusal::new(ErrorCode::WrongRun, text));
        }
        Ok(())
    }

    /// Judges a machine's answer by `self`, the client's hello.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule of protocol.md, section 2, that it breaks.
    pub fn judge_served(&self, hello: &Hello) -> Result<(), Refusal> {
        self.trust.judge(&hello.trust)?;
        if hello.system != self.system {
            let text = format!(
                "system {} was called, system {} answers",
                self.system, hello.system
            );
            return Err(Refusal::new(ErrorCode::WrongSystem, text));
        }
        if hello.receiver != CLIENT {
            let text = format!("the answer is for machine {}, not for a client", hello.receiver);
            return Err(Refusal::new(ErrorCode::WrongReceiver, text));
        }
        if self.standing == Standing::Given && hello.run != self.run {
            let text = format!("run `{}` was called, run `{}` answers", self.run, hello.run);
            return Err(Refusal::new(ErrorCode::WrongRun, text));
        }
        Ok(())
    }
}

/// Appends a request's frame.
#[inline]
pub fn encode_request<Q: Message>(output: &mut Vec<u8>, ticket: u64, request: &Q) {
    encode_frame(output, request.kind(), |body| {
        write_varint(ticket, body);
        request.encode(body);
    });
}

/// Reads a request: the client's ticket, and what it asks.
///
/// # Errors
/// [`FieldError`] for a body that does not follow its layout, or a kind that the system does not have.
#[inline]
pub fn read_request<Q: Message>(kind: u8, body: &[u8]) -> Result<(u64, Q), FieldError> {
    let mut fields = Fields::new(body);
    let ticket = fields.varint("ticket")?;
    Ok((ticket, Q::decode(kind, fields.rest())?))
}

/// Appends an answer's frame. Says whether it fits one; else nothing is appended.
#[inline]
#[must_use]
pub fn encode_answer<A: Message>(output: &mut Vec<u8>, answer: &Answer<&A>) -> bool {
    let start = output.len();
    output.extend_from_slice(&[0, 0, 0, 0, answer.reply.kind()]);
    write_varint(answer.ticket, output);
    output.push(u8::from(answer.is_last));
    answer.reply.encode(output);
    let length = output.len() - start - HEADER_BYTES;
    let header = output.get_mut(start..start + HEADER_BYTES);
    match (header, u32::try_from(length)) {
        (Some(header), Ok(number)) if length <= FRAME_LENGTH_MAX => {
            header.copy_from_slice(&number.to_be_bytes());
            true
        }
        _ => {
            output.truncate(start);
            false
        }
    }
}

/// Reads an answer.
///
/// # Errors
/// [`FieldError`] for a body that does not follow its layout, or a kind that the system does not have.
#[inline]
pub fn read_answer<A: Message>(kind: u8, body: &[u8]) -> Result<Answer<A>, FieldError> {
    let mut fields = Fields::new(body);
    let ticket = fields.varint("ticket")?;
    let is_last = match fields.u8("last")? {
        0 => false,
        1 => true,
        value => {
            return Err(FieldError::Value {
                field: "last",
                value: u64::from(value),
            });
        }
    };
    Ok(Answer {
        ticket,
        is_last,
        reply: A::decode(kind, fields.rest())?,
    })
}
