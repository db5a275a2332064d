//! Files as they are on disks of other people: read without ever waiting, and made with the modes that are meant;
//! and turns where few may be open.

mod private;
mod read;
mod turns;

pub(crate) use private::{let_owner, private_file, private_folder};
pub(crate) use read::{Folder, ReadError, leads_out, open, read};
pub(crate) use turns::{is_scarce, look_turn, make_scarce, start_turn};
