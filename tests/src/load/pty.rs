//! A program in a PTY of its own, for the floor.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The program's end and ours.
#[derive(Debug)]
pub struct Pty {
    child: Child,
    controller: File,
}

/// Turns the line discipline off, so that bytes pass as they are, then becomes the program.
pub fn raw(program: &str) -> [String; 3] {
    ["/bin/sh".to_owned(), "-c".to_owned(), format!("stty raw -echo; {program}")]
}

impl Pty {
    /// Runs a shell command in a new raw PTY of 120 × 40.
    ///
    /// # Panics
    /// When the system has no PTY to give.
    pub fn run(program: &str) -> Self {
        let controller =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a PTY");
        grantpt(&controller).expect("an own PTY");
        unlockpt(&controller).expect("an own PTY");
        let name = ptsname(&controller, Vec::new()).expect("a PTY has a name");
        let size = rustix::termios::Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&controller, size).expect("a PTY has a size");
        let open = || -> Stdio {
            let path = name.to_str().expect("device names are ASCII");
            let file = File::options().read(true).write(true).open(path).expect("the PTY's other end");
            OwnedFd::from(file).into()
        };
        let [shell, flag, text] = raw(program);
        let child = Command::new(shell)
            .args([flag, text])
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .expect("a shell starts");
        Self { child, controller: File::from(controller) }
    }

    /// Our end, to read from.
    pub fn reader(&self) -> impl Read + Send + 'static {
        self.controller.try_clone().expect("a descriptor")
    }

    /// Our end, to write to.
    pub fn writer(&self) -> impl Write + Send + 'static {
        self.controller.try_clone().expect("a descriptor")
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
