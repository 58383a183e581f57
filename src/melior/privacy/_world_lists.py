"""Common given names and surnames of other countries in Latin letters, without accents.

The commonest of the statistics offices of European countries, of Latin America, India, the Arab countries, Turkey,
Japan, Korea, Vietnam and Nigeria. Endings of surnames are those of Slavic, Nordic, Baltic, Finnish, Greek, Armenian,
Georgian, Romanian and Turkish family names.
"""

import re

GIVEN = frozenset(
    """
    Abdul Abdullah Adele Aditya Adriana Agnes Agnieszka Ahmed Ahmet Aino Aisha Ajay Akira Aleksandar Aleksander
    Aleksandr Aleksandra Alessandra Alessandro Alexei Alexey Alfonso Alina Aliya Alojz Amelie Amina Amir Amit Ana
    Anastasia Anders Andre Andrea Andreas Andrei Andrej Andrius Andrzej Anil Anita Anja Anjali Anna Annika Anton
    Antonia Antonio Antti Arjun Arne Arthur Arturo Arun Asif Astrid Ayse Beata Beatriz Benedikt Bengt Bianca Birgit
    Bjorn Bogdan Boris Bruno Camila Camille Carla Carlo Carlos Caroline Catarina Chiara Chidi Chinedu Christoph
    Claudia Claudio Clemens Cristina Damian Daniela Danilo Dariusz Davide Deepak Denis Dieter Dimitris Dmitri Dmitry
    Dominik Dorota Dragan Eduardo Egil Eino Ekaterina Elena Elif Elise Eliska Emeka Emil Emilia Emre Enrico Enrique
    Erik Esteban Eva Ewa Fatima Fatma Federico Felipe Fernanda Fernando Filip Finn Florian Francesca Francesco
    Francois Franz Frederic Fredrik Friedrich Fumiko Gabor Gabriela Georg Georgios Gianni Giorgio Giovanni Giulia
    Giuseppe Goran Grzegorz Guillermo Gunnar Gunther Gustav Hamza Hanna Hannah Hans Haruki Hasan Hassan Heidi Heikki
    Heinrich Heinz Helena Helga Helmut Henrik Henrique Hiroshi Hung Hussein Ibrahim Ieva Igor Ilona Ingrid Irena
    Irina Isabel Ivan Ivana Iwona Jaakko Jakob Jakub Jan Jana Janusz Jari Jaroslav Javier Jens Jerzy Jiri Joachim
    Joao Jochen Johan Johann Johanna Johannes Jonas Jorge Jose Josef Juan Juha Julia Julien Jurgen Kamila Karim
    Karin Karl Karolina Katarina Katarzyna Katja Kazuo Kemal Kenji Khaled Kiran Klaus Konstantin Krzysztof Lars
    Laszlo Laura Laurent Leila Lena Leon Leonardo Linh Ljubica Lorenzo Louise Luca Luciana Ludwig Luis Luisa Lukas
    Lukasz Maciej Magdalena Magnus Mahmoud Maja Malgorzata Manfred Manuel Manuela Marcel Marcelo Marcin Marco Marek
    Margit Mariana Marie Mariusz Marta Martina Matej Mateo Mateusz Mathieu Matteo Matthias Mehmet Mei Mercedes
    Michal Mikael Mikhail Mikko Milan Milena Minh Miroslav Mohamed Mohammad Mohammed Monika Muhammad Mustafa Nadia
    Natalia Natasha Neha Ngozi Nicolas Nikola Nikolai Nikolay Nils Noor Olaf Olav Ole Oleg Olga Oliver Omar Ondrej
    Oskar Otto Pablo Paola Paolo Pascal Patrik Pavel Pawel Peder Pedro Pekka Per Petar Petr Petra Philippe Pierre
    Pilar Piotr Prakash Pranav Priya Radek Rafael Rahul Raj Rajesh Ramon Raul Ravi Renata Riccardo Rita Roberta
    Roberto Rodrigo Roland Rolf Roman Rosa Rui Sabine Said Samir Sandeep Sanjay Sara Satoshi Sebastian Selma Serge
    Sergei Sergey Sergio Shinji Shreya Sigrid Silvia Simona Slavko Sofia Soren Stanislav Stefan Stefania Stefano
    Stein Stephane Sunil Sunita Suresh Sven Svetlana Tadeusz Takashi Takeshi Tamara Tarek Tatiana Teresa Terje Thi
    Thierry Thomas Thorsten Tiago Timo Tobias Tomas Tomasz Tomoko Torsten Tuan Ulrich Ulrike Ursula Usman Uwe
    Valentina Vera Veronika Vijay Vikram Viktor Vincenzo Vladimir Vojtech Walter Werner Wiktor Wilhelm Wojciech
    Wolfgang Xavier Yasmin Yoko Yuki Yuri Yusuf Yves Zahra Zbigniew Zdenek Zeynep Zofia Zoltan Zsofia
    """.split()
)
SURNAMES = frozenset(
    """
    Abbas Abe Acosta Adeyemi Aguilar Ahmad Ahmed Ali Almeida Alves Andersen Andersson Andrade Bachmann Bakker
    Balogun Bauer Baumann Becker Berg Bernard Bianchi Boer Bos Braun Bruun Caruso Castro Chan Chatterjee Chaudhary
    Chen Cheng Chopra Conti Costa Cruz Dang Das Desai Dijk Dinh Dubois Dupont Durand Eriksson Esposito Fernandes
    Fernandez Ferrari Ferreira Fischer Fontana Fournier Fuchs Fujita Gallo Garcia Gomes Gomez Goncalves Gonzalez
    Graf Greco Gruber Gupta Haas Hahn Hamid Hansen Hartmann Hassan Hayashi Hernandez Herrmann Hoang Hoffmann Horvath
    Huang Huber Hussain Hussein Ibrahim Inoue Ito Iyer Jain Jansen Janssen Jensen Jimenez Johansson Jovanovic Kaiser
    Kapoor Karlsson Kato Kaur Keller Khan Kimura Klein Kobayashi Koch Kovac Kovacs Kowalski Kraus Krause Kruger Kuhn
    Kumar Laine Lang Larsen Larsson Lefebvre Lehmann Lemaire Leroy Lim Lima Lindberg Lindgren Liu Lombardi Lopes
    Lopez Lorenz Machado Maier Malik Mancini Mari Marino Marques Martinez Matsumoto Mayer Mehta Meier Meijer Melo
    Mendes Meyer Miranda Mishra Mohamed Molina Monteiro Moreau Moreira Moretti Mori Morin Mueller Mukherjee Muller
    Murakami Musa Nagy Nair Nakamura Navarro Neumann Ngo Nguyen Nielsen Nilsson Novak Nowak Nwosu Ogawa Okafor Okeke
    Oliveira Olsen Olsson Ortega Patel Pavlov Pedersen Peeters Pereira Petersen Petit Pham Phan Pinto Popov Rahman
    Ramos Rao Rasmussen Reddy Ribeiro Ricci Richter Rizzo Robert Rocha Rodriguez Romano Rossi Rousseau Roux Russo
    Sahin Saito Sanchez Santos Sasaki Sato Schafer Schmid Schmidt Schmitt Schneider Scholz Schroder Schulte Schulz
    Schumacher Schwarz Shah Sharma Shimizu Silva Simon Singh Smirnov Smit Soares Sorensen Sousa Souza Suzuki
    Svensson Szabo Takahashi Tanaka Torres Toth Tran Usman Varga Vargas Vasquez Verma Visser Vogel Vos Vu Wagner
    Wang Weber Weiss Werner Winkler Wojcik Wolff Wong Wu Xu Yadav Yamada Yamaguchi Yamamoto Yang Yildiz Yilmaz
    Yoshida Zhang Zhao Zheng Zhou Ziegler Zimmermann
    """.split()
)
ENDING = re.compile(
    r"[A-Z][a-z]{2,}(?:ovic|evic|vic|cic|kic|sic|sson|dottir|enko|nski|nska|wski|wska|vski|vskaya|cki|cka|wicz|inen|anen"
    r"|onen|escu|opoulos|oulos|idis|akis|adze|shvili|oglu|[dklmnrtv]ov|[dklmnrtv]ova|[dklnrtv]yev|[lnrsv]yeva|[a-z]eyev"
    r"|[dgkmnprt]sen|czyk|quist|qvist|strom|sdotter|berger|mann|stein|evich|kumar|nathan|swamy)"
)
