//! A server that takes its time.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Starts a server that answers each request after `delay`, until this program ends.
pub(crate) fn slow(delay: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who has gone before the answer is of no interest.
            thread::spawn(move || drop(answer(stream, delay)));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream, delay: Duration) -> io::Result<()> {
    let mut request = [0; 4096];
    let length = stream.read(&mut request)?;
    if length > 0 {
        thread::sleep(delay);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")?;
    }
    Ok(())
}
