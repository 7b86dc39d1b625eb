// The peers in Go: a goroutine for each connection.
//
//	echo tcp|udp|http      prints its port, then serves until it is killed
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	switch os.Args[1] {
	case "udp":
		udp()
	case "http":
		listener := listen()
		http.HandleFunc("/", hello)
		log.Fatal(http.Serve(listener, nil))
	default:
		tcp()
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return listener
}

func tcp() {
	listener := listen()
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echo(connection)
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if _, err := connection.Write(line); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				log.Print(err)
			}
			return
		}
	}
}

func udp() {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(socket.LocalAddr().(*net.UDPAddr).Port)
	buffer := make([]byte, 8192)
	for {
		count, peer, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := socket.WriteToUDPAddrPort(buffer[:count], peer); err != nil {
			log.Fatal(err)
		}
	}
}

func hello(writer http.ResponseWriter, _ *http.Request) {
	writer.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(writer, "Hello, world!\n")
}
