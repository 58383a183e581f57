"""Common given names and surnames of the United States.

The 500 or so commonest female, 400 male given names and 1,000 surnames of the census of 1990 (US Census Bureau,
Frequently Occurring Surnames and First Names, public domain), and given names that became common after it (Social
Security Administration, public domain). AMBIGUOUS ones are ordinary words, places or brands too.
"""

GIVEN = frozenset(
    """
    Aaliyah Aaron Abigail Abraham Ada Adam Addie Adrian Adriana Adrienne Agnes Aiden Aimee Alan Albert Alberta Alberto
    Alejandro Alex Alexander Alexandra Alexandria Alexis Alfonso Alfred Alfredo Alice Alicia Alisha Alison Allan Allen
    Allison Alma Alton Alvin Alyssa Amanda Amber Amelia Amy Ana Andre Andrea Andres Andrew Andy Angel Angela Angelica
    Angelina Angelo Angie Anita Ann Anna Anne Annette Annie Anthony Antoinette Antonia Antonio April Archie Arlene
    Armando Arnold Arthur Arturo Ashley Audrey Austin Ava Bailey Barbara Barry Beatrice Becky Belinda Ben Benjamin
    Bennie Benny Bernadette Bernard Bernice Bertha Bessie Beth Bethany Betsy Betty Beulah Beverly Bill Billie Billy
    Blake Blanca Blanche Bob Bobbie Bobby Bonita Bonnie Brad Bradley Brandi Brandon Brandy Brayden Breanna Brenda Brent
    Brett Brian Briana Bridget Brittany Brooke Bruce Bryan Byron Caitlin Caleb Calvin Cameron Camille Candace Candice
    Carl Carla Carlos Carlton Carmen Carol Carole Caroline Carolyn Carrie Casey Cassandra Cassidy Catherine Cathy
    Cecelia Cecil Cecilia Cedric Celia Cesar Chad Charlene Charles Charlie Charlotte Chelsea Cheri Cheryl Chester Chloe
    Chris Christian Christie Christina Christine Christopher Christy Cindy Claire Clara Clarence Claude Claudia Clayton
    Clifford Clifton Clinton Clyde Cody Colin Colleen Colton Connie Connor Constance Cora Corey Cory Courtney Craig
    Cristina Crystal Curtis Cynthia Daisy Dakota Dale Damon Dan Dana Daniel Danielle Danny Darla Darlene Darrell Darren
    Darryl Daryl Dave David Dawn Dean Deanna Debbie Deborah Debra Delbert Delia Della Delores Deloris Denise Dennis
    Derek Derrick Desiree Destiny Devin Diana Diane Dianna Dianne Dixie Dolores Dominic Don Donald Donna Donnie Dora
    Doreen Doris Dorothy Doug Douglas Duane Dustin Dwayne Dwight Dylan Earl Earnest Ebony Ed Eddie Edgar Edith Edmund
    Edna Eduardo Edward Edwin Eileen Elaine Eleanor Elena Elijah Elisa Elizabeth Ella Ellen Elmer Eloise Elsa Elsie
    Elvira Emily Emma Enrique Eric Erica Erik Erika Erin Erma Ernest Ernestine Ernesto Essie Estelle Esther Ethan Ethel
    Eugene Eula Eunice Eva Evan Evelyn Everett Faith Fannie Faye Felicia Felipe Felix Fernando Flora Florence Floyd
    Frances Francine Francis Francisco Frank Franklin Fred Freda Freddie Frederick Fredrick Gabriel Gabrielle Gail
    Garrett Garry Gary Gavin Gayle Gene Geneva Genevieve Geoffrey George Georgia Gerald Geraldine Gerard Gerardo
    Gertrude Gilbert Gina Ginger Gladys Glen Glenda Glenn Gloria Gordon Grace Grant Greg Gregg Gregory Gretchen
    Guadalupe Guillermo Guy Gwen Gwendolyn Hailey Haley Hannah Harold Harriet Harry Harvey Hattie Hazel Heather Hector
    Heidi Helen Henrietta Henry Herbert Herman Hilda Holly Homer Hope Horace Howard Hubert Hugh Ian Ida Inez Ira Irene
    Iris Irma Isaac Isabel Isabella Isaiah Israel Ivan Jack Jackie Jacob Jacqueline Jacquelyn Jaime James Jamie Jan Jana
    Jane Janet Janice Janie Janis Jared Jasmine Jason Javier Jay Jayden Jean Jeanette Jeanne Jeannette Jeannie Jeff
    Jeffery Jeffrey Jenna Jennie Jennifer Jenny Jeremiah Jeremy Jermaine Jerome Jerry Jesse Jessica Jessie Jesus Jill
    Jim Jimmie Jimmy Jo Joan Joann Joanna Joanne Jodi Jody Joe Joel Joey Johanna John Johnathan Johnnie Johnny Jon
    Jonathan Jonathon Jordan Jorge Jose Josefina Joseph Josephine Joshua Joy Joyce Juan Juana Juanita Judith Judy Julia
    Julian Julie Julio Julius June Justin Kaitlyn Kara Karen Kari Karl Karla Kate Katherine Kathleen Kathryn Kathy Katie
    Katrina Kay Kayla Kaylee Keith Kelley Kelli Kellie Kelly Kelvin Ken Kendra Kenneth Kenny Kent Kerry Kevin Kim
    Kimberly Kirk Krista Kristen Kristi Kristie Kristin Kristina Kristine Kristy Krystal Kurt Kyle Lana Lance Larry
    Latasha Latoya Laura Lauren Laurie Laverne Lawrence Layla Leah Lee Leigh Lela Lena Leo Leon Leona Leonard Leroy
    Leslie Lester Leticia Lewis Liam Lila Lillian Lillie Lily Linda Lindsay Lindsey Lisa Lloyd Logan Lois Lola Lonnie
    Lora Loren Lorena Lorene Lorenzo Loretta Lori Lorraine Louis Louise Lowell Lucas Lucia Lucille Lucy Luis Luke Lula
    Luther Luz Lydia Lyle Lynda Lynette Lynn Lynne Mabel Mable Mackenzie Madeline Madison Mae Maggie Makayla Malcolm
    Mamie Mandy Manuel Marc Marcella Marcia Marco Marcus Margaret Margarita Margie Marguerite Maria Mariah Marian
    Marianne Marie Marilyn Marina Mario Marion Marjorie Mark Marla Marlene Marsha Marshall Marta Martha Martin Marvin
    Mary Maryann Mathew Matt Matthew Mattie Maureen Maurice Max Maxine May Megan Meghan Melanie Melba Melinda Melissa
    Melody Melvin Mercedes Meredith Mia Michael Micheal Michele Michelle Miguel Mike Mildred Milton Mindy Minnie Miranda
    Miriam Misty Mitchell Molly Mona Monica Monique Morris Muriel Myra Myrna Myron Myrtle Nadine Nancy Naomi Natalie
    Natasha Nathan Nathaniel Neal Neil Nellie Nelson Nettie Nicholas Nichole Nick Nicole Nina Noah Noel Nora Norma
    Norman Olga Olive Oliver Olivia Ollie Omar Opal Ora Orlando Oscar Otis Owen Pablo Paige Pam Pamela Pat Patrice
    Patricia Patrick Patsy Patti Patty Paul Paula Paulette Pauline Pearl Pedro Peggy Penny Perry Pete Peter Philip
    Phillip Phyllis Preston Priscilla Rachael Rachel Rafael Ralph Ramon Ramona Randall Randolph Randy Raquel Raul Ray
    Raymond Rebecca Regina Reginald Rena Rene Renee Rex Rhonda Ricardo Richard Rick Rickey Ricky Rita Robert Roberta
    Roberto Robin Robyn Rochelle Roderick Rodney Rodolfo Roger Roland Ron Ronald Ronda Ronnie Roosevelt Rosa Rosalie
    Rose Rosemarie Rosemary Rosie Ross Roxanne Roy Ruben Ruby Rudolph Rudy Russell Ruth Ryan Sabrina Sadie Sally
    Salvador Salvatore Sam Samantha Samuel Sandra Sandy Sara Sarah Scott Sean Sergio Seth Shane Shannon Shari Sharon
    Shaun Shawn Shawna Sheila Shelby Shelia Shelley Shelly Sheri Sherman Sherri Sherrie Sherry Sheryl Shirley Sidney
    Sierra Silvia Sonia Sonja Sonya Sophia Sophie Spencer Stacey Stacie Stacy Stanley Stella Stephanie Stephen Steve
    Steven Stuart Sue Susan Susie Suzanne Sylvester Sylvia Tabitha Tamara Tami Tammie Tammy Tanner Tanya Tara Tasha Ted
    Teresa Teri Terrance Terrence Terri Terry Thelma Theodore Theresa Thomas Tiffany Tim Timothy Tina Todd Tom Tommy
    Toni Tony Tonya Tracey Traci Tracy Travis Trevor Tricia Tristan Troy Tyler Tyrone Valerie Vanessa Velma Vera Verna
    Vernon Veronica Vicki Vickie Vicky Victor Victoria Vincent Viola Violet Virgil Virginia Vivian Wade Wallace Walter
    Wanda Warren Wayne Wendell Wendy Wesley Whitney Wilbur Willard William Willie Willis Wilma Wilson Winifred Wm Wyatt
    Xavier Yolanda Yvette Yvonne Zachary Zoe
    """.split()
)

AMBIGUOUS = frozenset(
    """
    Amber Angel April Ashley Austin Bailey Bill Bob Bonnie Candice Carmen Charlotte Chelsea Christian Constance Crystal
    Daisy Dakota Dale Dawn Dean Destiny Don Earl Faith Florence Frank Gene Georgia Ginger Glen Grace Grant Guy Harry
    Hazel Heather Holly Hope Ian Iris Israel Jack Jasmine Jay Jean Jerry Jordan Joy June Kay Kelly Kim Lance Lee Leslie
    Logan Madison Marina Marion Mark Max May Melody Mercedes Misty Myrtle Olive Paige Pat Pearl Penny Randy Ray Regina
    Robin Rose Ruby Salvador Sandy Shelby Sierra Spencer Stacy Sue Tanner Tommy Tyler Victor Violet Virginia Wade
    """.split()
)

SURNAMES = frozenset(
    """
    Abbott Acevedo Acosta Adams Adkins Aguilar Aguirre Albert Alexander Alford Allen Allison Alston Alvarado Alvarez
    Anderson Andrews Anthony Armstrong Arnold Ashley Atkins Atkinson Austin Avery Avila Ayala Ayers Bailey Baird Baker
    Baldwin Ball Ballard Banks Barber Barker Barlow Barnes Barnett Barr Barrera Barrett Barron Barry Bartlett Barton
    Bass Bates Battle Bauer Baxter Beach Bean Beard Beasley Beck Becker Bell Bender Benjamin Bennett Benson Bentley
    Benton Berg Berger Bernard Berry Best Bird Bishop Black Blackburn Blackwell Blair Blake Blanchard Blankenship
    Blevins Bolton Bond Bonner Booker Boone Booth Bowen Bowers Bowman Boyd Boyer Boyle Bradford Bradley Bradshaw Brady
    Branch Bray Brennan Brewer Bridges Briggs Bright Britt Brock Brooks Brown Browning Bruce Bryan Bryant Buchanan Buck
    Buckley Buckner Bullock Burch Burgess Burke Burks Burnett Burns Burris Burt Burton Bush Butler Byers Byrd Cabrera
    Cain Calderon Caldwell Calhoun Callahan Camacho Cameron Campbell Campos Cannon Cantrell Cantu Cardenas Carey Carlson
    Carney Carpenter Carr Carrillo Carroll Carson Carter Carver Case Casey Cash Castaneda Castillo Castro Cervantes
    Chambers Chan Chandler Chaney Chang Chapman Charles Chase Chavez Chen Cherry Christensen Christian Church Clark
    Clarke Clay Clayton Clements Clemons Cleveland Cline Cobb Cochran Coffey Cohen Cole Coleman Collier Collins Colon
    Combs Compton Conley Conner Conrad Contreras Conway Cook Cooke Cooley Cooper Copeland Cortez Cote Cotton Cox Craft
    Craig Crane Crawford Crosby Cross Cruz Cummings Cunningham Curry Curtis Dale Dalton Daniel Daniels Daugherty
    Davenport David Davidson Davis Dawson Day Dean Decker Dejesus Delacruz Delaney Deleon Delgado Dennis Diaz Dickerson
    Dickson Dillard Dillon Dixon Dodson Dominguez Donaldson Donovan Dorsey Dotson Douglas Downs Doyle Drake Dudley Duffy
    Duke Duncan Dunlap Dunn Duran Durham Dyer Eaton Edwards Elliott Ellis Ellison Emerson England English Erickson
    Espinoza Estes Estrada Evans Everett Ewing Farley Farmer Farrell Faulkner Ferguson Fernandez Ferrell Fields Figueroa
    Finch Finley Fischer Fisher Fitzgerald Fitzpatrick Fleming Fletcher Flores Flowers Floyd Flynn Foley Forbes Ford
    Foreman Foster Fowler Fox Francis Franco Frank Franklin Franks Frazier Frederick Freeman French Frost Fry Frye
    Fuentes Fuller Fulton Gaines Gallagher Gallegos Galloway Gamble Garcia Gardner Garner Garrett Garrison Garza Gates
    Gay Gentry George Gibbs Gibson Gilbert Giles Gill Gillespie Gilliam Gilmore Glass Glenn Glover Goff Golden Gomez
    Gonzales Gonzalez Good Goodman Goodwin Gordon Gould Graham Grant Graves Gray Green Greene Greer Gregory Griffin
    Griffith Grimes Gross Guerra Guerrero Guthrie Gutierrez Guy Guzman Hahn Hale Haley Hall Hamilton Hammond Hampton
    Hancock Haney Hansen Hanson Hardin Harding Hardy Harmon Harper Harrell Harrington Harris Harrison Hart Hartman
    Harvey Hatfield Hawkins Hayden Hayes Haynes Hays Head Heath Hebert Henderson Hendricks Hendrix Henry Hensley Henson
    Herman Hernandez Herrera Herring Hess Hester Hewitt Hickman Hicks Higgins Hill Hines Hinton Hobbs Hodge Hodges
    Hoffman Hogan Holcomb Holden Holder Holland Holloway Holman Holmes Holt Hood Hooper Hoover Hopkins Hopper Horn Horne
    Horton House Houston Howard Howe Howell Hubbard Huber Hudson Huff Huffman Hughes Hull Humphrey Hunt Hunter Hurley
    Hurst Hutchinson Hyde Ingram Irwin Jackson Jacobs Jacobson James Jarvis Jefferson Jenkins Jennings Jensen Jimenez
    Johns Johnson Johnston Jones Jordan Joseph Joyce Joyner Juarez Justice Kane Kaufman Keith Keller Kelley Kelly Kemp
    Kennedy Kent Kerr Key Kidd Kim King Kinney Kirby Kirk Kirkland Klein Kline Knapp Knight Knowles Knox Koch Kramer
    Lamb Lambert Lancaster Landry Lane Lang Langley Lara Larsen Larson Lawrence Lawson Le Leach Leblanc Lee Leon Leonard
    Lester Levine Levy Lewis Lindsay Lindsey Little Livingston Lloyd Logan Long Lopez Lott Love Lowe Lowery Lucas Luna
    Lynch Lynn Lyons Macdonald Macias Mack Madden Maddox Maldonado Malone Mann Manning Marks Marquez Marsh Marshall
    Martin Martinez Mason Massey Mathews Mathis Matthews Maxwell May Mayer Maynard Mayo Mays McBride McCall McCarthy
    McCarty McClain McClure McConnell McCormick McCoy McCray McCullough McDaniel McDonald McDowell McFadden McFarland
    McGee McGowan McGuire McIntosh McIntyre McKay McKee McKenzie McKinney McKnight McLaughlin McLean McLeod McMahon
    McMillan McNeil McPherson Meadows Medina Mejia Melendez Melton Mendez Mendoza Mercado Mercer Merrill Merritt Meyer
    Meyers Michael Middleton Miles Miller Mills Miranda Mitchell Molina Monroe Montgomery Montoya Moody Moon Mooney
    Moore Morales Moran Moreno Morgan Morin Morris Morrison Morrow Morse Morton Moses Mosley Moss Mueller Mullen Mullins
    Munoz Murphy Murray Myers Nash Navarro Neal Nelson Newman Newton Nguyen Nichols Nicholson Nielsen Nieves Nixon Noble
    Noel Nolan Norman Norris Norton Nunez Obrien Ochoa Oconnor Odom Odonnell Oliver Olsen Olson Oneal Oneil Oneill Orr
    Ortega Ortiz Osborn Osborne Owen Owens Pace Pacheco Padilla Page Palmer Park Parker Parks Parrish Parsons Pate Patel
    Patrick Patterson Patton Paul Payne Pearson Peck Pena Pennington Perez Perkins Perry Peters Petersen Peterson Petty
    Phelps Phillips Pickett Pierce Pittman Pitts Pollard Poole Pope Porter Potter Potts Powell Powers Pratt Preston
    Price Prince Pruitt Puckett Pugh Quinn Ramirez Ramos Ramsey Randall Randolph Rasmussen Ratliff Ray Raymond Reed
    Reese Reeves Reid Reilly Reyes Reynolds Rhodes Rice Rich Richard Richards Richardson Richmond Riddle Riggs Riley
    Rios Rivas Rivera Rivers Roach Robbins Roberson Roberts Robertson Robinson Robles Rocha Rodgers Rodriguez Rodriquez
    Rogers Rojas Rollins Roman Romero Rosa Rosales Rosario Rose Ross Roth Rowe Rowland Roy Ruiz Rush Russell Russo
    Rutledge Ryan Salas Salazar Salinas Sampson Sanchez Sanders Sandoval Sanford Santana Santiago Santos Sargent
    Saunders Savage Sawyer Schmidt Schneider Schroeder Schultz Schwartz Scott Sears Sellers Serrano Sexton Shaffer
    Shannon Sharp Sharpe Shaw Shelton Shepard Shepherd Sheppard Sherman Shields Short Silva Simmons Simon Simpson Sims
    Singleton Skinner Slater Sloan Small Smith Snider Snow Snyder Solis Solomon Sosa Soto Sparks Spears Spence Spencer
    Stafford Stanley Stanton Stark Steele Stein Stephens Stephenson Stevens Stevenson Stewart Stokes Stone Stout
    Strickland Strong Stuart Suarez Sullivan Summers Sutton Swanson Sweeney Sweet Sykes Talley Tanner Tate Taylor
    Terrell Terry Thomas Thompson Thornton Tillman Todd Torres Townsend Tran Travis Trevino Trujillo Tucker Turner Tyler
    Tyson Underwood Valdez Valencia Valentine Valenzuela Vance Vang Vargas Vasquez Vaughan Vaughn Vazquez Vega Velasquez
    Velazquez Velez Villarreal Vincent Vinson Wade Wagner Walker Wall Wallace Waller Walls Walsh Walter Walters Walton
    Ward Ware Warner Warren Washington Waters Watkins Watson Watts Weaver Webb Weber Webster Weeks Weiss Welch Wells
    West Wheeler Whitaker White Whitehead Whitfield Whitley Whitney Wiggins Wilcox Wilder Wiley Wilkerson Wilkins
    Wilkinson William Williams Williamson Willis Wilson Winters Wise Witt Wolf Wolfe Wong Wood Woodard Woods Woodward
    Wooten Workman Wright Wyatt Wynn Yang Yates York Young Zamora Zimmerman
    """.split()
)

# Surnames that are everyday words.
EVERYDAY = frozenset(
    """
    Banks Barber Bell Berry Best Black Booth Bridges Brooks Brown Burns Bush Butler Cannon Carpenter Cash Castle Church
    Coffey Conway Cook Cross Day Dean English Farmer Field Fields Fish Fisher Flowers Forbes Ford Fox French Frost
    Garner
    Glass Gold Good Golden Grant Graves Gray Green Greene Hall Hardy Hill Holiday Hood House Hunter Justice Key King
    Knight Lake Lamb Little Long Love Marsh Marshall Mason May Mercer Miles Moody Moon Moore Moss Noble North Page Park
    Parks Peck Pierce Pitts Pope Potter Power Powers Price Prince Rice Rich Rivers Rose Rush Russo Sharp Shepherd Short
    Singer Small Snow Sparks Stark Steele Stone Strong Summers Swan Swift Temple Waters Weeks Wells West White Wilder
    Winters Wise Wolf Wood Woods Woodard Workman Young
    """.split()
)
# Capital words that are no part of a name: greetings, days, what begins a sentence, places, organisations.
NO_NAMES = frozenset(
    """
    the a an and or but if so as at by for from in into of on onto to with without this that these those it its i we
    you he she they them his her their our your my me us is are was were be been am do does did has have had can
    could will would shall should may might must not no yes all any some every each both few more most other such
    only own same than too very just please thanks thank regards dear hello hi hey sir madam team customer support
    service sales department everyone friends folks sincerely best kind kindly warm cheers yours truly monday
    tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december spring summer autumn winter christmas easter thanksgiving when where why how what who
    which while after before because although though since until unless then there here now today tomorrow yesterday
    never always also still again once maybe however new old north south east west northern southern eastern western
    saint st san santa los las el la port fort mount mt lake river bay cape point grand great big little upper lower
    central royal united states kingdom america american british english french german chinese japanese korean
    indian spanish italian canadian australian european asian african mexican store shop bank hotel restaurant cafe
    inn airport station hospital clinic university college school academy institute museum library church center
    centre street road avenue lane drive boulevard park garden gardens plaza square tower mall county city town
    village state island beach valley hills heights springs falls creek bridge building house inc llc ltd corp
    corporation company co group holdings partners associates foundation society association agency bureau office
    committee council board ministry court press media news times post journal magazine award awards prize cup
    league club championship tournament festival tour show series season episode trophy medal act law theorem rule
    method model test scale index disease syndrome effect equation jeans shirt dress dresses shoes boots bag bags
    watch watches perfume coffee tea whiskey sauce chicken pizza burger edition version online shipping order orders
    product products item account page website app password email phone day night morning evening week month year
    time loves likes hates wants needs says said goes went gets got makes made takes took came comes works helped
    called wins manager director president chief officer senator governor judge king queen prince captain general
    pope
    """.split()
)
# Firms and figures that are called like a person.
BRANDS = frozenset(
    (
        "calvin klein, tommy hilfiger, ralph lauren, michael kors, jimmy choo, tory burch, kate spade, "
        "harley davidson, louis vuitton, harry potter, mickey mouse, johnnie walker, jack daniels, james bond, "
        "marc jacobs, hugo boss, donna karan, vera wang, betsey johnson, eddie bauer, tracy reese, "
        "steve madden, sam edelman, cole haan, vera bradley, laura ashley, ann taylor, perry ellis, "
        "john deere, johns hopkins, dr pepper, papa john, uncle ben, betty crocker, aunt jemima, "
        "charlie brown, barbie doll, santa claus, martha stewart, sherlock holmes, elizabeth arden, "
        "estee lauder, bobbi brown, mary kay, trader joe, baskin robbins, ben jerry, morgan stanley, "
        "wells fargo, jp morgan, charles schwab, merrill lynch, ernst young, ivy league, victoria secret, "
        "stella mccartney, alexander mcqueen, christian louboutin, christian dior, oscar wilde, lululemon lab, "
        "nanette lepore, cynthia rowley, rachel roy, paige denim, joe fresh, karen millen, ted baker, "
        "paul smith, fred perry, levi strauss, "
        "aston martin, lockheed martin, granny smith, barnes noble, peter pan, mary jane, mary janes, terry cloth, "
        "jimmy johns, martin luther, jan mayen"
    ).split(", ")
)
