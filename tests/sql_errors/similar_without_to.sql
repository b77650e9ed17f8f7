SELECT zone SIMILAR 'a%' AS s FROM readings
