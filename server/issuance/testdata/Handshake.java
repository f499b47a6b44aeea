import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** Serves and connects TLS for the test of handshakes. */
public class Handshake {
    private static final char[] PASSWORD = "changeit".toCharArray();

    public static void main(String[] args) throws Exception {
        if (args[0].equals("serve")) {
            for (int i = 1; i < args.length; i++) serve(args[i]);
            while (System.in.read() >= 0) {} // until the test closes the pipe
            System.exit(0);
        }
        SSLContext context = trust(args[1]);
        for (int i = 2; i < args.length; i += 2) System.out.println(connect(context, args[i], Integer.parseInt(args[i + 1])));
    }

    /** Serves with the key of a PKCS #12 file on a free port, and prints the port. */
    private static void serve(String file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(file)) { store.load(in, PASSWORD); }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, PASSWORD);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        SSLServerSocket server = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        System.out.println(server.getLocalPort());
        new Thread(() -> accept(server)).start();
    }

    /** Answers each connection in a thread. A client that refuses the certificate is no error here. */
    private static void accept(SSLServerSocket server) {
        while (true) {
            try {
                Socket socket = server.accept();
                new Thread(() -> { try (socket) { ((SSLSocket) socket).startHandshake(); socket.getInputStream().read(); } catch (Exception refused) {} }).start();
            } catch (Exception e) { throw new RuntimeException(e); }
        }
    }

    private static SSLContext trust(String file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream in = new FileInputStream(file)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    /** Connects to 127.0.0.1 and checks the name of the server. Returns "ok", or the reason for a refusal. */
    private static String connect(SSLContext context, String name, int port) throws Exception {
        Socket plain = new Socket("127.0.0.1", port);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, name, port, true)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            return "ok";
        } catch (SSLException refused) {
            return refused.toString();
        }
    }
}
